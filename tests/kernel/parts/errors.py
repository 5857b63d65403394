"""ICMP errors of every kind about translated flows of every protocol, outside and inside."""
from parts.builder import A, B, E, GW, ICMP, IP, Raw, SRV, TCP, UDP, echo, icmp, masquerade, scenario, tcp, udp

KINDS = [(3, code) for code in range(16)] + [(4, 0), (5, 1), (11, 0), (11, 1), (12, 0)]
HOP = "203.0.113.77"


@scenario("icmp-errors")
def errors(s):
    """Each kind of error, from the peer and from a hop, about SNAT and DNAT, TCP, UDP, ICMP, GRE and others."""
    s.keys["iptables"] = masquerade("-A PREROUTING -i outside -p udp --dport 8080 -j DNAT --to-destination 192.168.1.20:80",
                                    "-A PREROUTING -i outside -p tcp --dport 8080 -j DNAT --to-destination 192.168.1.20:80")
    s.note("every kind about a masqueraded UDP flow, from a hop")
    s.put(udp(A, 5000, SRV, 53, b"question of some length"))
    about = IP(src=GW, dst=SRV, id=1, ttl=60) / UDP(sport=5000, dport=53) / Raw(b"question of some length")
    for kind, code in KINDS:
        s.put(icmp(HOP, GW, kind, code, about))
    s.note("from the peer itself; to somebody else; by the client about an answer")
    s.put(icmp(SRV, GW, 3, 3, about), icmp(HOP, B, 3, 3, about), udp(SRV, 53, GW, 5000, b"answer"))
    answer = IP(src=SRV, dst=A, id=1, ttl=60) / UDP(sport=53, dport=5000) / Raw(b"answer")
    s.put(icmp(A, SRV, 3, 3, answer), icmp(B, SRV, 11, 0, answer), icmp(A, SRV, 5, 1, answer))
    s.note("quoting 0, 4, 8, 20 and all bytes of TCP; options in the quoted header")
    s.put(tcp(A, 41000, SRV, 80))
    quoted = bytes(IP(src=GW, dst=SRV, id=1, ttl=60) / TCP(sport=41000, dport=80, flags="S", seq=1000, window=64240))
    for size in (20, 24, 28, 36, 40):
        s.put(icmp(HOP, GW, 3, 1, quoted[:size]))
    s.note("about a DNATed flow: from the host behind, from a hop about its answer, from the sender")
    for proto in (udp, tcp):
        s.put(proto(SRV, 44000, GW, 8080))
        layer = UDP(sport=44000, dport=80) if proto is udp else TCP(sport=44000, dport=80, flags="S", seq=1000)
        s.put(icmp(B, SRV, 3, 3, IP(src=SRV, dst=B, id=1, ttl=60) / layer))
        layer = UDP(sport=8080, dport=44000) if proto is udp else TCP(sport=8080, dport=44000, flags="SA", seq=9)
        s.put(icmp(HOP, GW, 11, 0, IP(src=GW, dst=SRV, id=1, ttl=60) / layer), icmp(SRV, GW, 3, 3, IP(src=GW, dst=SRV, id=1) / layer))
    s.note("about an echo, a GRE packet, one of a protocol that nobody knows; an error about an error")
    s.put(echo(A, SRV, 9))
    s.put(icmp(HOP, GW, 11, 0, IP(src=GW, dst=SRV, id=1) / ICMP(type=8, id=9, seq=1) / Raw(b"ping data")))
    for number in (47, 99):
        s.put(E() / IP(src=A, dst=SRV, id=1, proto=number) / Raw(b"\0\0\x08\0 what it is"))
        s.put(icmp(HOP, GW, 11, 0, IP(src=GW, dst=SRV, id=1, proto=number) / Raw(b"\0\0\x08\0 what it is")))
    inner = IP(src=GW, dst=SRV, id=1) / ICMP(type=3, code=3) / Raw(bytes(about)[:28])
    s.put(icmp(HOP, GW, 3, 1, inner))
    s.note("a wrong checksum outside; inside, where it stays as wrong; a checksum of 0; fragments quoted")
    bad = icmp(HOP, GW, 3, 1, about)
    bad[ICMP].chksum = 0x1234
    s.put(bad)
    for checksum in (0x1234, 0):
        torn = IP(src=GW, dst=SRV, id=1, ttl=60) / UDP(sport=5000, dport=53, chksum=checksum) / Raw(b"question")
        s.put(icmp(HOP, GW, 3, 1, torn))
    for offset in (0, 10):
        piece = IP(src=GW, dst=SRV, id=1, ttl=60, flags=1, frag=offset) / UDP(sport=5000, dport=53) / Raw(b"question")
        s.put(icmp(HOP, GW, 11, 1, piece))


@scenario("nat-flags")
def flags(s):
    """--random, --random-fully, ranges of addresses and ports, --persistent, exhaustion, a source's own mapping."""
    s.keys["iptables"] = masquerade(
        "-A POSTROUTING -o outside -p udp --dport 1 -j SNAT --to-source 203.0.113.9 --random",
        "-A POSTROUTING -o outside -p udp --dport 2 -j SNAT --to-source 203.0.113.9-203.0.113.14 --random-fully",
        "-A POSTROUTING -o outside -p udp --dport 3 -j SNAT --to-source 203.0.113.9-203.0.113.14 --persistent",
        "-A POSTROUTING -o outside -p udp --dport 4 -j SNAT --to-source 203.0.113.9:7000-7002",
        "-A POSTROUTING -o outside -p udp --dport 5 -j MASQUERADE --to-ports 7100-7101 --random",
        "-A POSTROUTING -o outside -p tcp --dport 6 -j SNAT --to-source :7200",
        "-A POSTROUTING -o outside -p icmp --icmp-type 8 -d 198.51.100.8 -j SNAT --to-source 203.0.113.9:100-102")
    for port in (1, 2, 3):
        s.note({1: "--random", 2: "--random-fully over addresses", 3: "--persistent: the server does not matter"}[port])
        for n, server in enumerate((SRV, "198.51.100.8", "198.51.100.9")):
            s.put(udp(A, 5000 + port, server, port), udp(B, 5000 + port, server, port))
    s.note("a range of three ports: kept when inside, drawn, full")
    s.put(*[udp(A, sport, SRV, 4) for sport in (7001, 7001, 5100, 5101, 5102, 5103)])
    s.note("two ports by lot, full; one port, full; echo identifiers, full")
    s.put(*[udp(A, 5200 + n, SRV, 5) for n in range(4)])
    s.put(*[tcp(A, 5300 + n, SRV, 6) for n in range(3)])
    s.put(*[echo(A, "198.51.100.8", number) for number in (101, 5, 6, 7, 8)])
    s.note("classes of ports: below 512, below 1024, above, each taken by another host")
    for sport in (80, 600, 5000):
        s.put(udp(A, sport, SRV, 9), udp(B, sport, SRV, 9))
