"""FTP: curl and lftp against vsftpd, plain, through MASQUERADE and through DNAT."""
from network import GATEWAY, SERVER, Network
from served import ROOT, files, vsftpd
from table import File, recording

CURL = ("curl", "-sS", "--max-time", "20", "--user", "anonymous:guest@example")
MASQUERADE = {"rules": ["masquerade.v4"], "translated": True}
HANDSHAKES = "tcp.flags.syn == 1 && tcp.flags.ack == 0"


def curl_session(network, where, server, *options):
    """Downloads and uploads one small file on one control connection."""
    local = files() / "small.txt"
    address = f"[{server}]" if ":" in server else server
    network.run(where, *CURL, *options, f"ftp://{address}/small.txt", "-o", "/dev/null",
                "--next", *CURL[1:], *options, "-T", local, f"ftp://{address}/upload/stored.txt")


def both(folder, name, session):
    """Records a session through MASQUERADE at the client and at both sides of the router at once."""
    with Network(**MASQUERADE) as network:
        vsftpd(network, "server")
        with network.dumpcap(folder / f"{name}-nat.pcapng"), \
                network.tcpdump("client", "client", folder / f"{name}-inside.pcap"):
            session(network)


@recording("curl to vsftpd through MASQUERADE with the kernel's helper, `--ftp-port - --disable-eprt`: RETR and STOR of 1000 bytes",
           File("ftp-port-inside.pcap", "active FTP with PORT, download and upload, seen in the client's network only",
                {"ftp.request.command == \"PORT\"": 2, "tcp.srcport == 20 && tcp.flags.syn == 1": 2,
                 "ftp.request.arg contains \"192,168,1,10\"": 2, "ip.addr == 203.0.113.1": 0,
                 "ftp-data && ip.src == 198.51.100.7": 1, "ftp-data && ip.src == 192.168.1.10": 1}),
           File("ftp-port-nat.pcapng", "the same session on both sides of the router: PORT rewritten and of another length, sequence numbers adjusted",
                {"frame.interface_name == \"inside\" && ftp.request.arg contains \"192,168,1,10\"": 2,
                 "frame.interface_name == \"outside\" && ftp.request.arg contains \"203,0,113,1\"": 2,
                 "frame.interface_name == \"outside\" && ip.addr == 192.168.1.10": 0}))
def ftp_port(folder):
    both(folder, "ftp-port", lambda net: curl_session(net, "client", SERVER, "--ftp-port", "-", "--disable-eprt"))


@recording("lftp to vsftpd through MASQUERADE with the kernel's helper, passive: ls, get, put",
           File("ftp-pasv-inside.pcap", "passive FTP with PASV, listing, download and upload, seen in the client's network only",
                {"ftp.request.command == \"PASV\"": 3, "ftp.response.code == 227": 3,
                 "tcp.dstport in {50000..50100} && " + HANDSHAKES: 3, "ip.addr == 203.0.113.1": 0}),
           File("ftp-pasv-nat.pcapng", "the same session on both sides of the router: 227 passes as it is, data connections translated",
                {"frame.interface_name == \"outside\" && ftp.response.arg contains \"198,51,100,7\"": 3,
                 "frame.interface_name == \"outside\" && ip.addr == 192.168.1.10": 0}))
def ftp_pasv(folder):
    commands = ("set ftp:passive-mode true; set ftp:prefer-epsv false; set ftp:ssl-allow false; set net:timeout 10; "
                f"set net:max-retries 1; set xfer:clobber true; open -u anonymous,guest@example {SERVER}; ls; "
                f"get small.txt -o /run/got; put {ROOT}/small.txt -o upload/stored.txt; bye")
    both(folder, "ftp-pasv", lambda net: net.run("client", "lftp", "-c", commands))


@recording("curl to vsftpd through MASQUERADE with the kernel's helper, `--ftp-port -`: RETR and STOR of 1000 bytes",
           File("ftp-eprt-inside.pcap", "active FTP with EPRT, download and upload, seen in the client's network only",
                {"ftp.request.command == \"EPRT\"": 2, "tcp.srcport == 20 && tcp.flags.syn == 1": 2,
                 "ip.addr == 203.0.113.1": 0}),
           File("ftp-eprt-nat.pcapng", "the same session on both sides of the router: EPRT rewritten",
                {"frame.interface_name == \"inside\" && ftp.request.arg contains \"|192.168.1.10|\"": 2,
                 "frame.interface_name == \"outside\" && ftp.request.arg contains \"|203.0.113.1|\"": 2}))
def ftp_eprt(folder):
    both(folder, "ftp-eprt", lambda net: curl_session(net, "client", SERVER, "--ftp-port", "-"))


@recording("curl to vsftpd through MASQUERADE with the kernel's helper, passive: RETR and STOR of 1000 bytes",
           File("ftp-epsv-inside.pcap", "passive FTP with EPSV, download and upload, seen in the client's network only",
                {"ftp.request.command == \"EPSV\"": 2, "ftp.response.code == 229": 2,
                 "tcp.dstport in {50000..50100} && " + HANDSHAKES: 2, "ip.addr == 203.0.113.1": 0}),
           File("ftp-epsv-nat.pcapng", "the same session on both sides of the router",
                {"frame.interface_name == \"outside\" && ftp.response.code == 229": 2,
                 "frame.interface_name == \"outside\" && ip.addr == 192.168.1.10": 0}))
def ftp_epsv(folder):
    both(folder, "ftp-epsv", lambda net: curl_session(net, "client", SERVER))


@recording("curl on the server's side to vsftpd in the inside network behind DNAT with the kernel's helper; first `--disable-epsv`, then EPSV, then active",
           File("ftp-dnat.pcapng", "FTP server behind DNAT on both sides of the router: 227 rewritten to the outside address, 229 as it is, PORT from outside",
                {"frame.interface_name == \"inside\" && ftp.response.arg contains \"192,168,1,10\"": 2,
                 "frame.interface_name == \"outside\" && ftp.response.arg contains \"203,0,113,1\"": 2,
                 "frame.interface_name == \"outside\" && ftp.response.code == 229": 2,
                 "frame.interface_name == \"outside\" && ip.addr == 192.168.1.10": 0,
                 "frame.interface_name == \"inside\" && tcp.dstport in {50000..50100} && " + HANDSHAKES: 4}))
def ftp_dnat(folder):
    with Network(rules=["dnat-ftp.v4"], translated=True) as network:
        vsftpd(network, "client")
        with network.dumpcap(folder / "ftp-dnat.pcapng"):
            curl_session(network, "server", GATEWAY, "--disable-epsv")
            curl_session(network, "server", GATEWAY)
            curl_session(network, "server", GATEWAY, "--ftp-port", "-", "--disable-eprt")


@recording("curl to vsftpd over IPv6, routed without rules, recorded at the client: EPSV, then EPRT",
           File("ftp-ipv6.pcap", "FTP over IPv6, passive and active, with neighbour discovery",
                {"ipv6 && ftp.request.command == \"EPSV\"": 2, "ipv6 && ftp.request.command == \"EPRT\"": 2,
                 "ftp.request.arg contains \"|2|fd00:1::10|\"": 2, "icmpv6.type == 135": "1+",
                 "tcp.srcport == 20 && tcp.flags.syn == 1": 2}))
def ftp_ipv6(folder):
    server = "2001:db8:2::7"
    with Network(ipv6=True) as network:
        vsftpd(network, "server", server)
        with network.tcpdump("client", "client", folder / "ftp-ipv6.pcap"):
            curl_session(network, "client", server)
            curl_session(network, "client", server, "--ftp-port", "-")


@recording("curl to vsftpd on its own machine by 127.0.0.1, recorded on `lo`: active (`--disable-eprt`), then passive (`--disable-epsv`)",
           File("ftp-loopback.pcap", "FTP of a machine to itself, which no gateway forwards: PORT and 227, checksums unfilled as `lo` leaves them",
                {"ftp.request.command == \"PORT\"": 2, "ftp.response.code == 227": 2,
                 "tcp.srcport == 20 && " + HANDSHAKES: 2, "tcp.dstport in {50000..50100} && " + HANDSHAKES: 2,
                 "eth.src == 00:00:00:00:00:00 && ip.src == 127.0.0.1 && ip.dst == 127.0.0.1": "1+"}))
def ftp_loopback(folder):
    with Network() as network:
        vsftpd(network, "server")
        with network.tcpdump("server", "lo", folder / "ftp-loopback.pcap"):
            curl_session(network, "server", "127.0.0.1", "--ftp-port", "-", "--disable-eprt")
            curl_session(network, "server", "127.0.0.1", "--disable-epsv")
