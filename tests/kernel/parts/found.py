"""What random cases have found (cargo xtask kernel-fuzz), each as small as it was made."""
from parts.builder import A, E, GW, IN_GW, IP, IPOption, Raw, SRV, echo, scenario, table, tcp, udp
from parts.fragments import part, whole
from parts.sctp import INIT, chunk


@scenario("found-answers")
def answers(s):
    """Answers of the gateway itself: fields they take over, and when there is none."""
    s.keys["iptables"] = table("filter", "-A INPUT -i outside -p tcp -j REJECT --reject-with icmp-net-unreachable",
                               "-A OUTPUT -p icmp -m icmp --icmp-type 0 -d 192.168.1.10 -j REJECT --reject-with icmp-net-unreachable")
    s.note("a reset has the type of service of what it answers, without its congestion mark; a rejecting rule's has none")
    s.put(tcp(A, 40000, IN_GW, 81, "A", 5, 6, tos=0x09))
    s.note("an echo reply has no options")
    asked = echo("192.168.1.20", IN_GW, 9)[IP].payload
    s.put(E() / IP(src="192.168.1.20", dst=IN_GW, id=1, options=[IPOption(b"\x94\x04\0\0")]) / asked)
    s.note("a segment that ends inside its header: its checksum cannot be right, and it is not answered")
    s.put(E() / IP(src=SRV, dst=GW, id=1, proto=6) / Raw(bytes.fromhex("138900096bba1f35")))
    s.note("an echo reply that a rule rejects: while the gateway answers, it makes no error")
    s.put(echo(A, IN_GW, 10))
    s.note("UDP-Lite to nobody: wrong, then right")
    s.put(E() / IP(src=A, dst=IN_GW, id=1, proto=136) / Raw(bytes.fromhex("13880051000000000102")))
    s.note("larger than the link of the gateway's own sender: not sent")
    s.put(udp(GW, 5000, SRV, 53, b"x" * 1500))


@scenario("found-zones")
def zones(s):
    """An error about what nobody takes here belongs to the connection in the zone of OUTPUT, not to the packet's."""
    s.keys["iptables"] = table("raw", "-A PREROUTING -p udp -j CT --zone 5", "-A PREROUTING -s 198.51.100.9 -j DROP") + \
        table("nat", "-A OUTPUT -d 192.168.1.10 -p udp -j DNAT --to-destination 198.51.100.8")
    s.put(udp(GW, 81, A, 5000), udp(A, 5000, GW, 81))
    s.note("a datagram that the raw table drops when it is whole")
    t = whole("198.51.100.9", A, 96)
    s.put(part("198.51.100.9", A, 7, t, 0, 32), part("198.51.100.9", A, 7, t, 32, 96))


@scenario("found-pieces")
def pieces(s):
    """The first piece of a datagram grows when its header is verified or looked for."""
    s.note("SCTP, whose checksum is verified: 12 bytes")
    t = bytes(range(80))
    for edges in ((0, 8, 24, 80), (0, 16, 80)):
        for start, end in zip(edges, edges[1:]):
            s.put(part(A, SRV, 20 + edges[1], t, start, end, proto=132))
    s.note("TCP and UDP, for which a socket is looked for: 20 and 8 bytes")
    for proto in (6, 17):
        t = whole(A, SRV, 96, proto=proto)
        for start, end in ((0, 8), (8, 24), (24, 96)):
            s.put(part(A, SRV, 40 + proto, t, start, end, proto=proto))
    s.put(E() / IP(src=A, dst=SRV, id=3, proto=132) / Raw(chunk(INIT, tag=1)))
