"""What the router sends and takes itself, and what never gets far: routing, TTL, addresses that must not be."""
from parts.builder import (A, A6, B, E, E6, GW, IN6_GW, IN_GW, IP, IPv6, Raw, SRV, TCP, UDP, echo, icmp, masquerade, scenario, table, tcp, udp)
from parts.ipv6 import six, udp6
from scapy.all import Ether


@scenario("local-output")
def output(s):
    """Flows of the router itself: ping, UDP, TCP by a raw socket; OUTPUT rules, ports shared with masqueraded hosts."""
    s.keys["iptables"] = table(
        "mangle", "-A OUTPUT -p udp -m udp --dport 1 -j TOS --set-tos 0x10/0xff", "-A OUTPUT -p icmp -j MARK --set-mark 0x5",
    ) + masquerade() + table(
        "filter", "-A OUTPUT -p udp -m udp --dport 2 -j DROP", "-A OUTPUT -p icmp -m mark ! --mark 0x5 -j DROP",
        "-A INPUT -i outside -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A INPUT -i inside -j ACCEPT",
        "-A INPUT -p icmp -m conntrack --ctstate NEW -j DROP", INPUT="DROP")
    s.keys["local_services"] = [{"proto": "udp", "port": 5000, "echo": False}]
    s.note("ping out and its answer, from each address of the router; ping from outside is dropped")
    s.put(echo(GW, SRV, 5), echo(SRV, GW, 5, reply=True), echo(IN_GW, A, 6), echo(A, IN_GW, 6, reply=True), echo(SRV, GW, 7))
    s.note("from the inside address to outside: masqueraded as any")
    s.put(echo(IN_GW, SRV, 8), echo(SRV, GW, 8, reply=True))
    s.note("UDP, its answer (a socket takes it), the host behind with the same port")
    s.put(udp(GW, 5000, SRV, 53, b"mine"), udp(SRV, 53, GW, 5000, b"for the router"), udp(A, 5000, SRV, 53, b"A's"))
    s.answer(udp(SRV, 53, GW, 5000, b"for A"))
    s.note("changed and dropped in OUTPUT")
    s.put(udp(GW, 5001, SRV, 1), udp(GW, 5001, SRV, 2))
    s.note("an error about the router's own flow; about its ping; TTL over at the first hop")
    inner = IP(src=GW, dst=SRV, id=1, ttl=1) / UDP(sport=5000, dport=53) / Raw(b"mine")
    s.put(icmp("203.0.113.77", GW, 11, 0, inner))
    inner = IP(src=GW, dst=SRV, id=1, ttl=1) / Raw(bytes(echo(GW, SRV, 5)[IP].payload))
    inner.proto = 1
    s.put(icmp("203.0.113.77", GW, 3, 1, inner))
    s.note("a connection: the router has no socket for the answer and resets")
    s.put(tcp(GW, 6000, SRV, 80, options=[("MSS", 1460)]), tcp(SRV, 80, GW, 6000, "SA", 9000, 1001, options=[("MSS", 1460)]))
    s.note("unasked from outside: dropped without an answer")
    s.put(tcp(SRV, 6001, GW, 22), udp(SRV, 6002, GW, 161))


@scenario("local-input")
def services(s):
    """Services of the router: UDP that answers, a TCP listener, closed ports, bad and foreign packets to it."""
    s.keys["iptables"] = masquerade() + table(
        "filter", "-A INPUT -p tcp -m tcp --dport 8022 -s 198.51.100.0/24 -j DROP",
        "-A INPUT -p udp -m udp --dport 54 -m conntrack --ctstate NEW -m mark ! --mark 0x1 -j REJECT")
    s.keys["local_services"] = [{"proto": "udp", "port": 53, "reply": "answer"}, {"proto": "udp", "port": 7, "echo": True},
                                {"proto": "tcp", "port": 8022}]
    s.note("a question and its answer, twice on one flow; from outside; to the outside address from inside")
    s.put(udp(A, 5000, IN_GW, 53, b"q"), udp(A, 5000, IN_GW, 53, b"q2", ident=2), udp(SRV, 5000, GW, 53, b"q"), udp(A, 5001, GW, 53, b"q"))
    s.note("to the inside address from outside: the router is one host")
    s.put(udp(SRV, 5002, IN_GW, 53, b"q"))
    s.note("echo service; empty; large")
    s.put(udp(A, 5003, IN_GW, 7, b"echo"), udp(A, 5003, IN_GW, 7, b"", ident=2), udp(A, 5003, IN_GW, 7, b"e" * 1400, ident=3))
    s.note("closed ports: UDP unreachable, TCP reset to SYN, ACK, FIN, nothing to RST; rejected by a rule")
    s.put(udp(A, 5004, IN_GW, 9), tcp(A, 6000, IN_GW, 81), tcp(A, 6001, IN_GW, 81, "A", 5, 6), tcp(A, 6002, IN_GW, 81, "R", 5),
          udp(A, 5005, IN_GW, 54))
    s.note("dropped by source")
    s.put(tcp(SRV, 6003, GW, 8022))
    s.note("bad checksums: UDP without one is fine, a wrong one is not; TCP; ICMP")
    plain, wrong = udp(A, 5006, IN_GW, 53), udp(A, 5007, IN_GW, 53)
    plain[UDP].chksum, wrong[UDP].chksum = 0, 0x1234
    torn, torn_echo = tcp(A, 6004, IN_GW, 81), echo(A, IN_GW, 9)
    torn[TCP].chksum, torn_echo["ICMP"].chksum = 0x1234, 0x1234
    s.put(plain, wrong, torn, torn_echo)
    s.note("ping, its size kept; time stamp request; a reply nobody waits for")
    s.put(echo(A, IN_GW, 10, data=b"p" * 1000), echo(A, IN_GW, 11, reply=True))
    s.note("broadcast and multicast to the listening port")
    for address, mac in (("192.168.1.255", "ff:ff:ff:ff:ff:ff"), ("255.255.255.255", "ff:ff:ff:ff:ff:ff"), ("224.0.0.1", "01:00:5e:00:00:01")):
        packet = udp(A, 5008, address, 9)
        packet.dst = mac
        s.put(packet)


@scenario("local-loopback")
def loopback(s):
    """What the router sends to itself over lo: its REJECTs, REDIRECT in OUTPUT, its own addresses; CT for what was INVALID in OUTPUT."""
    s.keys["iptables"] = table(
        "raw", "-A PREROUTING -i lo -p tcp -m tcp --dport 26 -j NOTRACK", "-A PREROUTING -i lo -p tcp -m tcp --dport 27 -j CT --zone 5",
        "-A OUTPUT -p tcp -m tcp --sport 26:27 -j DROP",
    ) + table(
        "nat", "-A OUTPUT -p udp -m udp --dport 602 -j REDIRECT --to-ports 53", "-A POSTROUTING -o outside -j MASQUERADE",
    ) + table(
        "filter", "-A OUTPUT -p udp -m udp --dport 9 -j REJECT --reject-with icmp-host-unreachable",
        "-A OUTPUT -p tcp -m tcp --dport 25 -j REJECT --reject-with tcp-reset",
        "-A INPUT -p tcp -m tcp --dport 26 -m conntrack --ctstate UNTRACKED -j DROP",
        "-A INPUT -p tcp -m tcp --dport 27 --tcp-flags SYN,ACK ACK -m conntrack --ctstate NEW -j DROP")
    s.keys["local_services"] = [{"proto": "udp", "port": 53, "reply": "local answer"}]
    s.note("rejected in OUTPUT: the sender is told, and gets the answer over lo")
    s.put(udp(GW, 7200, SRV, 9), tcp(GW, 7201, SRV, 25))
    s.note("redirected to itself; from one address to the other; ping to itself")
    s.put(udp(GW, 5011, SRV, 602), udp(GW, 5012, IN_GW, 53), echo(GW, IN_GW, 3))
    s.note("INVALID in OUTPUT, behind a SYN without an answer: by lo a rule may still leave it untracked, or have it tracked in another zone")
    for port in (26, 27):
        s.put(tcp(GW, 7202, IN_GW, port, "S", 1000), tcp(GW, 7202, IN_GW, port, "A", 1001, 5))


@scenario("routing-drops")
def drops(s):
    """TTL over, no route, routes that refuse, martians, broken headers, padding, options."""
    s.keys["routes"] = [{"dst": "198.51.100.0/24", "via": "203.0.113.254", "dev": "outside"}]
    s.keys["setup"] = ["ip route add blackhole 198.51.101.0/24", "ip route add unreachable 198.51.102.0/24",
                       "ip route add prohibit 198.51.103.0/24", "ip route add throw 198.51.104.0/24"]
    s.keys["iptables"] = table("nat", "-A PREROUTING -i inside -d 198.51.100.99 -j DNAT --to-destination 198.51.102.9",
                               "-A POSTROUTING -o outside -j MASQUERADE")
    s.note("TTL over: UDP, TCP, echo, an error (no answer), 0, to the router itself (taken), long payload")
    s.put(udp(A, 5000, SRV, 53, ttl=1), tcp(A, 6000, SRV, 80, ttl=1), echo(A, SRV, ttl=1))
    about = IP(src=SRV, dst=A, id=3, ttl=60) / UDP(sport=9, dport=9) / Raw(b"12345678")
    s.put(icmp(A, SRV, 3, 3, about, ttl=1), udp(A, 5001, SRV, 53, ttl=0), udp(A, 5002, IN_GW, 9, ttl=1),
          udp(A, 5003, SRV, 53, b"long " * 200, ttl=1))
    s.note("TTL 2 passes; the flow is there and its next packet dies here")
    s.put(udp(A, 5004, SRV, 53, ttl=2), udp(A, 5004, SRV, 53, ttl=1), udp(SRV, 53, GW, 5004, ttl=1))
    s.note("no route, blackhole, unreachable, prohibit, throw; translated to one of them")
    for address in ("8.8.8.8", "198.51.101.1", "198.51.102.1", "198.51.103.1", "198.51.104.1", "198.51.100.99"):
        s.put(udp(A, 5005, address, 53))
    s.note("a host gets five such errors at once, then one a second (net.ipv4.route.error_burst, error_cost): none for A, one for B")
    s.put(tcp(A, 6001, "8.8.8.8", 80), echo(A, "198.51.103.1"), echo(B, "198.51.103.1"))
    s.note("martian sources: loopback, zero, broadcast, multicast, class E, the router's own address")
    for source in ("127.0.0.1", "0.0.0.0", "0.1.2.3", "255.255.255.255", "224.1.1.1", "240.1.1.1", IN_GW, GW):
        s.put(udp(source, 5006, SRV, 53), side="inside")
    s.note("martian destinations: loopback, zero, class E, limited broadcast by unicast frame, the network's own address")
    for target in ("127.0.0.1", "0.0.0.0", "240.1.1.1", "255.255.255.255", "192.168.1.0"):
        s.put(udp(A, 5007, target, 53))
    s.note("a source of the other side: no reverse path filter here")
    s.put(udp(A, 5008, SRV, 53), side="outside")
    s.put(udp(SRV, 5009, A, 53), side="inside")
    s.note("broken IP: checksum, version, header length, total length longer than the frame, shorter than the header; a cut frame")
    good = udp(A, 5010, SRV, 53, b"0123456789")
    for field, value in (("chksum", 0x1234), ("version", 5), ("ihl", 4), ("ihl", 15), ("len", 2000), ("len", 19), ("len", 24)):
        packet = good.copy()
        packet[IP].setfieldval(field, value)
        s.put(packet, side="inside")
    s.put(E() / Raw(bytes(good)[14:30]), side="inside")
    s.note("Ethernet padding is cut off; DF and the evil bit stay")
    s.put(udp(A, 5011, SRV, 53, b"") / Raw(b""), udp(A, 5012, SRV, 53, b"df", flags="DF"), udp(A, 5013, SRV, 53, b"evil", flags="evil"))
    padded = E() / Raw(bytes(udp(A, 5014, SRV, 53, b"x"))[14:] + bytes(17))
    s.put(padded, side="inside")
    s.note("short UDP length; UDP length beyond the packet")
    for length in (7, 100):
        packet = udp(A, 5015, SRV, 53, b"0123456789")
        packet[UDP].len = length
        s.put(packet)
    s.note("frames for another station, by broadcast frame to a unicast address")
    packet = udp(A, 5016, SRV, 53)
    packet.dst = "ff:ff:ff:ff:ff:ff"
    s.put(packet)


@scenario("pmtu")
def pmtu(s):
    """Packets too large for the way out: with DF the router's error, without it fragments; errors of hops about flows."""
    s.keys["outside"] = {"addrs": [f"{GW}/24"], "mtu": 1400}
    s.keys["routes"] = [{"dst": "default", "via": "203.0.113.254", "dev": "outside"},
                        {"dst": "198.51.101.0/24", "via": "203.0.113.254", "dev": "outside", "extra": ["mtu", "1000"]}]
    s.keys["iptables"] = masquerade("-A PREROUTING -i outside -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.168.1.20:80")
    s.note("UDP of 1400, 1401 and 1500 bytes, with DF and without")
    for size in (1400, 1401, 1500):
        s.put(udp(A, 5000, SRV, 53, b"u" * (size - 28), ident=size, flags="DF"))
        s.put(udp(A, 5000, SRV, 53, b"u" * (size - 28), ident=size + 1))
    s.note("a route with an MTU of its own")
    s.put(udp(A, 5001, "198.51.101.7", 53, b"u" * 1000, ident=9, flags="DF"), udp(A, 5001, "198.51.101.7", 53, b"u" * 1000, ident=10))
    s.note("TCP: handshake, a full segment refused, the smaller one after it; the flow lives on")
    f = s.flow(A, 40000, SRV, 80, seen_client=GW)
    f.open()
    f.c2s("A", b"d" * 1460, move=False)
    s.packets[-1][IP].flags = "DF"
    f.c2s("A", b"d" * 1360)
    s.packets[-1][IP].flags = "DF"
    f.s2c("A")
    f.s2c("A", b"e" * 1460)
    f.c2s("A")
    s.note("a hop's `fragmentation needed` about this flow, with and without the MTU, then one about a DNATed flow's answer")
    inner = IP(src=GW, dst=SRV, id=1, ttl=60, flags="DF") / TCP(sport=40000, dport=80, flags="A", seq=1001, ack=9001) / Raw(b"d" * 100)
    s.put(icmp("203.0.113.77", GW, 3, 4, inner, nexthopmtu=1300), icmp("203.0.113.77", GW, 3, 4, inner, nexthopmtu=0, ident=2))
    g = s.flow(SRV, 44000, B, 80, seen_server=GW)
    g.dp = 8080
    g.c2s("S", opts=g.opts)
    g.dp = 80
    g.s2c("SA", opts=g.opts)
    inner = IP(src=GW, dst=SRV, id=1, ttl=60, flags="DF") / TCP(sport=8080, dport=44000, flags="A", seq=9001, ack=1001)
    s.put(icmp("203.0.113.77", GW, 3, 4, inner, nexthopmtu=1300))
    s.note("echo too large, with DF and without; and one from outside that is larger than the device it came by")
    big = echo(A, SRV, 9, data=b"p" * 1400)
    s.put(big, echo(SRV, GW, 9, reply=True, data=b"p" * 1400))
    big = echo(A, SRV, 10, data=b"p" * 1400)
    big[IP].flags = "DF"
    s.put(big)


@scenario("equal-ends")
def equal_ends(s):
    """Flows from a port to itself: their answers have the tuple of their first packets."""
    s.keys["iptables"] = table("filter", "-A FORWARD -m conntrack --ctstate INVALID -j DROP")
    s.note("UDP three times: what stands in the table is found as an answer; a segment of each kind as a host sends that calls itself")
    s.put(*(udp(A, 5000, A, 5000, b"me", ident=number) for number in (1, 2, 3)))
    s.put(tcp(A, 6000, A, 6000), tcp(A, 6000, A, 6000, "SA", 1000, 1001), tcp(A, 6000, A, 6000, "A", 1001, 1001))
    s.note("a query to itself has a reply of its own; a protocol without ports")
    s.put(echo(A, A, 7), echo(A, A, 7, reply=True), E() / IP(src=A, dst=A, proto=99) / Raw(b"a"), E() / IP(src=A, dst=A, proto=99) / Raw(b"b"))


@scenario("local-protocols")
def protocols(s):
    """What arrives for the router of a protocol that nobody has told of is told about; IGMP and PIM are listened to. 59 is a protocol like any
    over IPv4."""
    six(s)
    s.keys["inside"]["addrs"].append(f"{IN_GW}/24")
    s.keys["outside"]["addrs"].append(f"{GW}/24")
    for number in (0, 2, 3, 41, 59, 60, 88, 99, 103, 112, 253):
        s.put(E() / IP(src=A, dst=IN_GW, proto=number, id=9) / Raw(bytes.fromhex("1600f4f8e0000105")))
        if number not in (0, 60):
            s.put(E6() / IPv6(src=A6, dst=IN6_GW, nh=number) / Raw(bytes.fromhex("1600f4f8e0000105")))


@scenario("local-datagram-ends")
def datagram_ends(s):
    """A datagram may end before its packet: who tells that nobody takes it quotes it as far as it goes, a rule quotes all."""
    six(s, table("filter", "-A INPUT -p udp -m udp --dport 7 -j REJECT"))
    s.keys["inside"]["addrs"].append(f"{IN_GW}/24")
    s.keys["outside"]["addrs"].append(f"{GW}/24")
    s.keys["iptables"] = table("filter", "-A INPUT -p udp -m udp --dport 7 -j REJECT")
    for port in (7, 9):
        for length in (8, 11, 40, 47, 48):
            for make in (lambda data: udp(A, 5000, IN_GW, port, data), lambda data: udp6(A6, 5000, IN6_GW, port, data)):
                packet = make(bytes(40))
                packet[UDP].len = length
                # The sum is the datagram's.
                packet[UDP].chksum = Ether(bytes(make(bytes(length - 8))))[UDP].chksum
                s.put(packet, packet.__class__(bytes(packet)[:-1] + b"x"))
