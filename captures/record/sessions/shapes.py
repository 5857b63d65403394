"""The same traffic in other shapes: offloaded, cut, cooked, raw, tagged, with directions."""
from network import SERVER, Network
from served import http
from table import File, recording

CURL = ("curl", "-sS", "--max-time", "20", "-o", "/dev/null")
PAGE, LONG, LONGER = (f"http://{SERVER}/{name}" for name in ("page.html", "long.txt", "longer.txt"))


@recording("curl to http.server, 50000 bytes, recorded on the sending host with offloads on",
           File("offload-sender.pcap", "as taken on a sending host: super-packets of many segments and checksums not filled in",
                {"frame.len > 1514": "2+", "tcp.checksum.status == \"Bad\" && ip.src == 198.51.100.7": "4+"}))
def offload_sender(folder):
    with Network(offloads=True) as network:
        http(network, "server")
        with network.tcpdump("server", "server", folder / "offload-sender.pcap"):
            network.run("client", *CURL, LONGER)


@recording("curl to http.server, 30000 bytes, recorded with offloads on at the inside device of a router that masquerades",
           File("offload-router.pcap", "super-packets and unfilled checksums passing a router that has GRO and TSO",
                {"frame.len > 1514": "2+", "tcp.checksum.status == \"Bad\"": "2+", "ip.addr == 203.0.113.1": 0}))
def offload_router(folder):
    with Network(offloads=True, rules=["masquerade.v4"], translated=True) as network:
        http(network, "server")
        with network.tcpdump("router", "inside", folder / "offload-router.pcap"):
            network.run("client", *CURL, LONG)


@recording("curl to http.server, 30000 bytes, recorded at the client with `-s 80`",
           File("snaplen.pcap", "every packet cut after 80 bytes: headers whole, payload not",
                {"frame.cap_len < frame.len": "20+", "frame.cap_len > 80": 0, "frame.len == 1514": "15+"}))
def snaplen(folder):
    with Network() as network:
        http(network, "server")
        with network.tcpdump("client", "client", folder / "snaplen.pcap", "-s", "80"):
            network.run("client", *CURL, LONG)


def cooked(folder, name, link_type):
    with Network(rules=["masquerade.v4"], translated=True) as network:
        http(network, "server")
        with network.tcpdump("router", "any", folder / name, "-y", link_type):
            network.run("client", *CURL, PAGE)
            network.run("client", "ping", "-c", "1", SERVER)


@recording("curl and ping through MASQUERADE, recorded on the router with `-i any -y LINUX_SLL`",
           File("any-sll.pcap", "cooked capture, version 1: both sides of the router in one, packet type tells the direction",
                {"sll && tcp.dstport == 80 && tcp.len > 0": 2, "sll.pkttype == 4": "5+", "sll.pkttype == 0": "5+"}))
def any_sll(folder):
    cooked(folder, "any-sll.pcap", "LINUX_SLL")


@recording("curl and ping through MASQUERADE, recorded on the router with `-i any -y LINUX_SLL2`",
           File("any-sll2.pcap", "cooked capture, version 2: with the number of the interface too",
                {"sll && tcp.dstport == 80 && tcp.len > 0": 2, "sll.ifindex": "10+", "sll.pkttype == 4": "5+", "sll.pkttype == 0": "5+"}))
def any_sll2(folder):
    cooked(folder, "any-sll2.pcap", "LINUX_SLL2")


@recording("curl and ping through MASQUERADE, recorded on the router with a packet socket a device",
           File("directions.pcapng", "both sides of the router, each frame with its direction in the pcapng packet flags",
                {"frame.packet_flags_direction == 1": "10+", "frame.packet_flags_direction == 2": "10+", "http.request": 2,
                 "frame.packet_flags_direction == 1 && frame.interface_name == \"outside\" && ip.src == 203.0.113.1": 0}))
def directions(folder):
    with Network(rules=["masquerade.v4"], translated=True) as network:
        http(network, "server")
        with network.flagged(folder / "directions.pcapng"):
            network.run("client", *CURL, PAGE)
            network.run("client", "ping", "-c", "1", SERVER)


@recording("ping and curl over a pair of TUN devices joined in user space, recorded on one of them",
           File("raw-ip.pcap", "raw IP: no link layer", {"frame.protocols contains \"raw:ip\"": "10+", "http.request": 1, "icmp": 2, "eth": 0}))
def raw_ip(folder):
    with Network() as network:
        network.relay("tun", "client", "wire", "10.9.0.1/30", "server", "wire", "10.9.0.2/30")
        http(network, "server")
        with network.tcpdump("client", "wire", folder / "raw-ip.pcap"):
            network.run("client", "ping", "-c", "1", "10.9.0.2")
            network.run("client", *CURL, "http://10.9.0.2/page.html")


def tagged(folder, name, tags):
    """Records ping and HTTP between client and router inside VLAN tags."""
    with Network() as network:
        network.relay("vlan", "client", "vlan", "10.42.0.10/24", "client", tags)
        network.relay("vlan", "router", "vlan", "10.42.0.1/24", "inside", tags)
        http(network, "router")
        with network.tcpdump("client", "client", folder / name):
            network.run("client", "ping", "-c", "1", "10.42.0.1")
            network.run("client", *CURL, "http://10.42.0.1/small.txt")


@recording("ping and curl between two TAP devices whose frames are tagged in user space, recorded on the cable",
           File("vlan.pcap", "frames with an 802.1Q tag, VLAN 42", {"vlan.id == 42 && http.request": 1, "vlan.id == 42 && icmp": 2,
                "vlan.id == 42 && arp": "2+", "!vlan": 0}))
def vlan(folder):
    tagged(folder, "vlan.pcap", "0x8100:42")


@recording("the same with two tags",
           File("vlan-stacked.pcap", "frames with an 802.1ad tag (100) outside and an 802.1Q tag (42) inside",
                {"ieee8021ad.id == 100 && vlan.id == 42 && http.request": 1, "ieee8021ad.id == 100 && vlan.id == 42 && icmp": 2}))
def vlan_stacked(folder):
    tagged(folder, "vlan-stacked.pcap", "0x88a8:100,0x8100:42")
