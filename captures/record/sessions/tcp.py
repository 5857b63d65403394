"""TCP on its good and bad days: half-close, refusals, loss, a small path, a full window."""
from network import HERE, SERVER, Network
from served import ROOT, files, http, vsftpd
from table import File, recording

CLIENT_PY = HERE / "client.py"
CURL = ("curl", "-sS", "--max-time", "20", "-o", "/dev/null")


@recording("socat sends 40 bytes and half-closes; socat on the server's side answers `wc -c` only after it has read all",
           File("tcp-half-close.pcap", "FIN from the client first, data from the server after it",
                {"tcp.flags.fin == 1 && ip.src == 192.168.1.10": 1, "tcp.flags.fin == 1 && ip.src == 198.51.100.7": 1,
                 "tcp.len > 0 && ip.src == 198.51.100.7": "1+", "tcp.flags.reset == 1": 0}))
def tcp_half_close(folder):
    with Network() as network:
        network.serve("server", 7000, "socat", "TCP-LISTEN:7000,reuseaddr,fork", "SYSTEM:sleep 0.2; wc -c")
        with network.tcpdump("client", "client", folder / "tcp-half-close.pcap"):
            network.run("client", "socat", "-t", "5", "STDIO", f"TCP:{SERVER}:7000", stdin="x" * 39 + "\n")


@recording("nc to a TCP port and to a UDP port where nothing listens",
           File("closed-ports.pcap", "RST to a SYN; ICMP port unreachable about a datagram",
                {"tcp.flags.reset == 1 && tcp.flags.ack == 1": 1, "icmp.type == 3 && icmp.code == 3": "1+"}))
def closed_ports(folder):
    with Network() as network, network.tcpdump("client", "client", folder / "closed-ports.pcap"):
        network.run("client", "nc", "-w", "2", SERVER, "81", check=False)
        network.run("client", "nc", "-u", "-w", "1", SERVER, "82", check=False, stdin="anyone there?\n")


@recording("nc from the server's side to ports of the client that the gateway's rules do not let in",
           File("unasked.pcapng", "connections from outside to a masqueraded network: to a private address and to the gateway",
                {"frame.interface_name == \"outside\" && ip.dst == 192.168.1.10": "1+", "frame.interface_name == \"inside\" && ip": 0,
                 "frame.interface_name == \"outside\" && tcp.flags.reset == 1": 1}))
def unasked(folder):
    with Network(rules=["masquerade.v4"], translated=True) as network:
        network.run("hop", "ip", "route", "add", "192.168.1.0/24", "via", "203.0.113.1")
        with network.dumpcap(folder / "unasked.pcapng"):
            network.run("server", "nc", "-w", "2", "192.168.1.10", "22", check=False)
            network.run("server", "nc", "-w", "1", "203.0.113.1", "22", check=False)
            network.run("server", "nc", "-u", "-w", "1", "192.168.1.10", "9999", check=False, stdin="name?\n")


@recording("curl uploads 6000 bytes to vsftpd through MASQUERADE; behind the router the path is only 1400 bytes wide; both sides of the router",
           File("pmtu-nat.pcapng", "`fragmentation needed` about a translated flow, translated back, then smaller segments",
                {"frame.interface_name == \"outside\" && icmp.type == 3 && icmp.code == 4 && icmp.mtu == 1400": "1+",
                 "frame.interface_name == \"inside\" && icmp.type == 3 && icmp.code == 4 && icmp.mtu == 1400": "1+",
                 "frame.interface_name == \"inside\" && frame.len > 1414 && tcp.dstport != 20": "1+",
                 "tcp.checksum.status == \"Bad\" && !icmp": 0}))
def pmtu_nat(folder):
    with Network(rules=["masquerade.v4"], translated=True) as network:
        vsftpd(network, "server")
        network.run("hop", "ip", "link", "set", "east", "mtu", "1400")
        local = files() / "upload.bin"
        local.write_text((ROOT / "long.txt").read_text()[:6000])
        with network.dumpcap(folder / "pmtu-nat.pcapng"):
            network.run("client", "curl", "-sS", "--max-time", "20", "--user", "anonymous:guest@example",
                        "-T", local, f"ftp://{SERVER}/upload/wide.bin")


@recording("curl to http.server, 30000 bytes; the hop drops every 11th packet of the server (iptables `-m statistic --mode nth`)",
           File("tcp-loss.pcap", "loss: duplicate acknowledgements with SACK, retransmissions",
                {"tcp.options.sack_le": "1+", "tcp.analysis.retransmission || tcp.analysis.fast_retransmission || tcp.analysis.out_of_order": "1+",
                 "tcp.flags.fin == 1": "2+"}))
def tcp_loss(folder):
    with Network() as network:
        http(network, "server")
        network.run("hop", "iptables-legacy", "-A", "FORWARD", "-s", SERVER, "-p", "tcp", "-m", "statistic",
                    "--mode", "nth", "--every", "11", "--packet", "3", "-j", "DROP")
        with network.tcpdump("client", "client", folder / "tcp-loss.pcap"):
            network.run("client", *CURL, f"http://{SERVER}/long.txt")


@recording("a plain socket with a receive buffer of 4 KB to http.server, 30000 bytes, that does not read for a second",
           File("tcp-zero-window.pcap", "the window closes, probes one byte below it, updates",
                {"tcp.analysis.zero_window": "1+", "tcp.analysis.window_full": "1+", "tcp.analysis.keep_alive": "1+",
                 "tcp.flags.fin == 1": 2}))
def tcp_zero_window(folder):
    with Network() as network:
        http(network, "server", protocol="HTTP/1.0")
        with network.tcpdump("client", "client", folder / "tcp-zero-window.pcap"):
            network.run("client", "python3", CLIENT_PY, "slow", SERVER, 80, "/long.txt")


@recording("a plain socket to http.server with SO_KEEPALIVE after 1 s, closed after 3.5 s",
           File("tcp-keepalive.pcap", "keep-alive probes one byte below the window and their answers",
                {"tcp.analysis.keep_alive": "2+", "tcp.analysis.keep_alive_ack": "2+"}))
def tcp_keepalive(folder):
    with Network() as network:
        http(network, "server")
        with network.tcpdump("client", "client", folder / "tcp-keepalive.pcap"):
            network.run("client", "python3", CLIENT_PY, "idle", SERVER, 80)


@recording("a plain socket sends PORT in two segments to vsftpd, 100 ms apart; routed without rules, recorded at the client",
           File("ftp-split-port.pcap", "a PORT command cut after 12 bytes: a helper sees the line whole or not at all",
                {"tcp.dstport == 21 && tcp.len == 12": 1, "tcp.srcport == 20 && tcp.flags.syn == 1": 1,
                 "ftp.response.code == 226": 1}))
def ftp_split_port(folder):
    with Network() as network:
        vsftpd(network, "server")
        with network.tcpdump("client", "client", folder / "ftp-split-port.pcap"):
            network.run("client", "python3", CLIENT_PY, "split", SERVER, 21)
