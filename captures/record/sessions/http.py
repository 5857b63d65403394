"""HTTP: curl and a plain socket against Python's http.server."""
import gzip

from network import HERE, SERVER, Network
from served import http
from table import File, recording

CURL = ("curl", "-sS", "--max-time", "20", "-o", "/dev/null")
PAGE, LONG = f"http://{SERVER}/page.html", f"http://{SERVER}/long.txt"


@recording("curl `--http1.0` to http.server, 4000 bytes, recorded at the client; gzip -9 of the same file",
           File("http-short.pcap", "one request and answer: handshake, GET, 200, FIN from the server first, with ARP in front",
                {"arp": "2+", "http.request": 1, "http.response.code == 200": 1, "tcp.flags.fin == 1": 2,
                 "tcp.analysis.retransmission": 0, "tcp.checksum.status == \"Bad\"": 0}),
           File("http-short.pcap.gz", "the same capture, compressed", {"http.request": 1, "http.response.code == 200": 1}),
           File("http-cut.pcap", "the same capture cut in the middle of a packet, as after a full disk",
                {"http.request": 1, "tcp.flags.fin == 1": 0}))
def http_short(folder):
    with Network() as network:
        http(network, "server", protocol="HTTP/1.0")
        with network.tcpdump("client", "client", folder / "http-short.pcap"):
            network.run("client", *CURL, "--http1.0", PAGE)
    whole = (folder / "http-short.pcap").read_bytes()
    (folder / "http-short.pcap.gz").write_bytes(gzip.compress(whole, 9, mtime=0))
    (folder / "http-cut.pcap").write_bytes(whole[:3000])


@recording("curl to http.server, 30000 bytes, recorded at the client with `--time-stamp-precision nano`",
           File("http-long.pcap", "a download of many segments, time stamps in nanoseconds",
                {"tcp.len > 1000": "20+", "http.response.code == 200": 1, "tcp.analysis.retransmission": 0,
                 "frame.len > 1514": 0}))
def http_long(folder):
    with Network() as network:
        http(network, "server")
        with network.tcpdump("client", "client", folder / "http-long.pcap", "--time-stamp-precision", "nano"):
            network.run("client", *CURL, LONG)


@recording("a plain socket to http.server, keep-alive: 4000 bytes, then 30000 of which it reads 6000 and closes with SO_LINGER 0",
           File("http-abort.pcap", "keep-alive, then the client leaves with RST, most of the answer unread",
                {"http.request": 2, "tcp.flags.reset == 1 && ip.src == 192.168.1.10": "1+",
                 "tcp.len > 1000": "7+", "tcp.flags.syn == 1 && tcp.flags.ack == 0": 1, "tcp.flags.fin == 1 && ip.src == 192.168.1.10": 0}))
def http_abort(folder):
    with Network() as network:
        http(network, "server")
        with network.tcpdump("client", "client", folder / "http-abort.pcap"):
            network.run("client", "python3", HERE / "client.py", "abort", SERVER, 80, "/page.html", "/long.txt")


@recording("curl through MASQUERADE to http.server, two requests on one connection and one on another, both sides of the router",
           File("http-nat.pcapng", "HTTP on both sides of MASQUERADE: ports kept, addresses and checksums changed",
                {"frame.interface_name == \"inside\" && http.request": 3, "frame.interface_name == \"outside\" && http.request": 3,
                 "frame.interface_name == \"outside\" && ip.addr == 192.168.1.10": 0, "tcp.checksum.status == \"Bad\"": 0}))
def http_nat(folder):
    with Network(rules=["masquerade.v4"], translated=True) as network:
        http(network, "server")
        with network.dumpcap(folder / "http-nat.pcapng"):
            network.run("client", *CURL, PAGE, "--next", *CURL[1:], PAGE)
            network.run("client", *CURL, PAGE)


@recording("curl to `openssl s_server -WWW` with a certificate made on the spot, recorded at the client",
           File("https.pcap", "TLS 1.3: nothing for a helper to read", {"tls.handshake.type == 1": 1, "tls.handshake.type == 2": 1,
                "tls.app_data": "2+"}))
def https(folder):
    with Network() as network:
        network.run("server", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-keyout", "/run/key.pem", "-out", "/run/certificate.pem", "-subj", "/CN=www.example")
        http(network, "server", port=8080)
        network.serve("server", 443, "sh", "-c", "cd /run/srv && exec openssl s_server -quiet -accept 443 -WWW "
                      "-cert /run/certificate.pem -key /run/key.pem")
        with network.tcpdump("client", "client", folder / "https.pcap"):
            network.run("client", *CURL, "--insecure", "--http1.0", f"https://{SERVER}/small.txt")
