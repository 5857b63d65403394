"""UDP and ICMP: names, echo, traces, TFTP, fragments."""
from network import SERVER, Network
from served import dnsmasq, files
from table import File, recording

MASQUERADE = {"rules": ["masquerade.v4"], "translated": True}


def dig(network, *question):
    network.run("client", "dig", f"@{SERVER}", "+tries=1", "+time=2", *question)


@recording("dig to dnsmasq: A, AAAA, CNAME, TXT, a name that is not there, and once `+tcp`; recorded at the client",
           File("dns.pcap", "short UDP flows, each with a port of its own, and DNS over TCP",
                {"udp && dns.flags.response == 0": 5, "udp && dns.flags.response == 1": 5, "dns.flags.rcode == 3": 1,
                 "tcp && dns.flags.response == 1": 1}))
def dns(folder):
    with Network() as network:
        dnsmasq(network, "server", SERVER)
        with network.tcpdump("client", "client", folder / "dns.pcap"):
            for question in (["www.example"], ["www.example", "AAAA"], ["ftp.example"], ["www.example", "TXT"],
                             ["none.example"], ["+tcp", "www.example"]):
                dig(network, *question)


@recording("dig through MASQUERADE to dnsmasq, twice from the same port (`-b 0.0.0.0#5353`), then from ports of its choice; both sides of the router",
           File("dns-nat.pcapng", "UDP on both sides of MASQUERADE",
                {"frame.interface_name == \"outside\" && dns && ip.src == 203.0.113.1": 3,
                 "frame.interface_name == \"outside\" && ip.addr == 192.168.1.10": 0, "udp.srcport == 5353 && ip.src == 203.0.113.1": 2}))
def dns_nat(folder):
    with Network(**MASQUERADE) as network:
        dnsmasq(network, "server", SERVER)
        with network.dumpcap(folder / "dns-nat.pcapng"):
            dig(network, "-b", "0.0.0.0#5353", "www.example")
            dig(network, "-b", "0.0.0.0#5353", "ftp.example")
            dig(network, "www.example")


@recording("ping: three to the server, one of 1400 bytes, one to an address that nobody has; recorded at the client",
           File("ping.pcap", "echo and answer; host unreachable from the last router",
                {"icmp.type == 8 && !(icmp.type == 3)": 5, "icmp.type == 0": 4, "icmp.type == 3 && icmp.code == 1": "1+"}))
def ping(folder):
    with Network() as network, network.tcpdump("client", "client", folder / "ping.pcap"):
        network.run("client", "ping", "-c", "3", "-i", "0.1", SERVER)
        network.run("client", "ping", "-c", "1", "-s", "1400", SERVER)
        network.run("client", "ping", "-c", "1", "-W", "4", "198.51.100.99", check=False)


@recording("ping through MASQUERADE to the server and to the router itself; both sides of the router",
           File("ping-nat.pcapng", "echo through MASQUERADE: identifier kept; echo to the gateway answered by it",
                {"frame.interface_name == \"outside\" && icmp.type == 8 && ip.src == 203.0.113.1": 2,
                 "frame.interface_name == \"inside\" && icmp.type == 0": 4}))
def ping_nat(folder):
    with Network(**MASQUERADE) as network, network.dumpcap(folder / "ping-nat.pcapng"):
        network.run("client", "ping", "-c", "2", "-i", "0.1", SERVER)
        network.run("client", "ping", "-c", "2", "-i", "0.1", "192.168.1.1")


@recording("traceroute with UDP, with ICMP and with TCP SYN to port 21, one probe a hop (`-q 1 -N 1`), to the server; recorded at the client",
           File("traceroute.pcap", "time exceeded from two routers, port unreachable, echo reply, RST from the end",
                {"icmp.type == 11": 6, "icmp.type == 3 && icmp.code == 3": "1+", "icmp.type == 0": "1+",
                 "tcp.flags.reset == 1 && ip.src == 198.51.100.7": "1+"}))
def traceroute(folder):
    with Network() as network, network.tcpdump("client", "client", folder / "traceroute.pcap"):
        for method in ([], ["-I"], ["-T", "-p", "21"]):
            network.run("client", "traceroute", "-n", "-q", "1", "-N", "1", "-w", "1", "-m", "4", *method, SERVER)


@recording("the same with UDP through MASQUERADE; both sides of the router",
           File("traceroute-nat.pcapng", "errors about translated datagrams, and the packet inside them translated back",
                {"frame.interface_name == \"inside\" && icmp.type == 11": 2, "frame.interface_name == \"outside\" && icmp.type == 11": 1,
                 "frame.interface_name == \"inside\" && icmp.type == 3 && icmp.code == 3": "1+"}))
def traceroute_nat(folder):
    with Network(**MASQUERADE) as network, network.dumpcap(folder / "traceroute-nat.pcapng"):
        network.run("client", "traceroute", "-n", "-q", "1", "-N", "1", "-w", "1", "-m", "4", SERVER)


@recording("tftp (tftp-hpa) through MASQUERADE with the kernel's helper to in.tftpd: get and put of 1000 bytes; both sides of the router",
           File("tftp-nat.pcapng", "TFTP: the server answers from a new port, expected by the helper",
                {"frame.interface_name == \"outside\" && tftp.opcode == 1": 1, "frame.interface_name == \"outside\" && tftp.opcode == 2": 1,
                 "frame.interface_name == \"inside\" && tftp.opcode == 3": 4,
                 "frame.interface_name == \"outside\" && ip.addr == 192.168.1.10": 0}))
def tftp_nat(folder):
    with Network(**MASQUERADE) as network:
        root = files()
        network.serve("server", 69, "in.tftpd", "--foreground", "--create", "--permissive", "--address",
                      f"{SERVER}:69", "--user", "root", "--secure", root, kind="udp")
        with network.dumpcap(folder / "tftp-nat.pcapng"):
            network.run("client", "tftp", SERVER, "-m", "binary", "-c", "get", "small.txt", "/run/got")
            network.run("client", "tftp", SERVER, "-m", "binary", "-c", "put", root / "small.txt", "upload/stored.txt")


@recording("socat sends 4000 bytes of UDP to an echo service, then ping of 3000 bytes; recorded at the client",
           File("fragments.pcap", "IPv4 fragments of datagrams and echoes in both directions",
                {"ip.flags.mf == 1": "8+", "ip.frag_offset > 0": "8+", "udp.dstport == 7": "1+", "icmp.type == 0": "1+"}))
def fragments(folder):
    with Network() as network:
        network.serve("server", 7, "socat", "-b", "8192", "UDP-RECVFROM:7,fork", "PIPE", kind="udp")
        with network.tcpdump("client", "client", folder / "fragments.pcap"):
            text = (files() / "long.txt").read_text()[:4000]
            network.run("client", "socat", "-b", "8192", "-t", "1", "STDIO", f"UDP:{SERVER}:7", stdin=text)
            network.run("client", "ping", "-c", "1", "-s", "3000", SERVER)


@recording("ping -6 to the server, to the router's link-local address, and one with a hop limit of 2; recorded at the client",
           File("ping-ipv6.pcap", "ICMPv6 echo, neighbour discovery, hop limit exceeded",
                {"icmpv6.type == 128 && !(icmpv6.type == 3)": 4, "icmpv6.type == 129": 3, "icmpv6.type == 135": "1+", "icmpv6.type == 136": "1+", "icmpv6.type == 3": 1}))
def ping_ipv6(folder):
    with Network(ipv6=True) as network, network.tcpdump("client", "client", folder / "ping-ipv6.pcap"):
        network.run("client", "ping", "-6", "-c", "2", "-i", "0.1", "2001:db8:2::7")
        network.run("client", "ping", "-6", "-c", "1", "fe80::ff:fe00:101%client")
        network.run("client", "ping", "-6", "-c", "1", "-t", "2", "-W", "1", "2001:db8:2::7", check=False)
