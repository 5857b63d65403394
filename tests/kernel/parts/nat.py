"""NAT: sources and destinations from ranges, redirection, hairpin, errors about translated flows."""
from parts.builder import A, B, GW, IN_GW, IP, Raw, SRV, UDP, echo, icmp, scenario, table, tcp, udp

C = "192.168.1.30"
SRV2 = "198.51.100.8"


@scenario("nat-source")
def source(s):
    """SNAT to ranges of addresses and ports, MASQUERADE to ports, INPUT; what is kept and what is chosen."""
    s.keys["outside"] = {"addrs": ["203.0.113.1/24", "203.0.113.2/24", "203.0.113.3/24", "203.0.113.4/24"]}
    s.keys["iptables"] = table(
        "nat",
        "-A INPUT -s 192.168.1.30 -p udp -j SNAT --to-source 192.168.1.99",
        "-A POSTROUTING -o outside -p udp -m udp --dport 1 -j SNAT --to-source 203.0.113.1-203.0.113.4",
        "-A POSTROUTING -o outside -p udp -m udp --dport 2 -j SNAT --to-source 203.0.113.1-203.0.113.4 --persistent",
        "-A POSTROUTING -o outside -p udp -m udp --dport 3 -j SNAT --to-source 203.0.113.2:30000-30000",
        "-A POSTROUTING -o outside -p udp -m udp --dport 4 -j SNAT --to-source 203.0.113.2:40000-40003",
        "-A POSTROUTING -o outside -p tcp -m tcp --dport 4 -j SNAT --to-source 203.0.113.3:40000-40003",
        "-A POSTROUTING -o outside -p icmp -j SNAT --to-source 203.0.113.3",
        "-A POSTROUTING -o outside -s 192.168.1.20 -p udp -m udp --dport 5 -j MASQUERADE --to-ports 50000-50001",
        "-A POSTROUTING -o outside -p 99 -j SNAT --to-source 203.0.113.4",
        "-A POSTROUTING -o outside -p udp -m udp --dport 6 -j ACCEPT",
        "-A POSTROUTING -o outside -j MASQUERADE")
    s.note("four addresses: chosen by source and destination, each flow's reply comes back")
    for last in (10, 11, 12, 13, 14, 20):
        s.put(udp(f"192.168.1.{last}", 5000, SRV, 1))
    s.answer(udp(SRV, 1, GW, 5000))
    s.put(udp(A, 5000, SRV2, 1), udp(A, 5001, SRV, 1))
    s.note("persistent: the destination does not count")
    for last in (10, 11, 12):
        s.put(udp(f"192.168.1.{last}", 5000, SRV, 2), udp(f"192.168.1.{last}", 5000, SRV2, 2))
    s.note("one port for all: to another server it is free, to the same one it is not")
    s.put(udp(A, 5002, SRV, 3))
    s.answer(udp(SRV, 3, GW, 5002))
    s.put(udp(B, 5002, SRV2, 3), udp(B, 5003, SRV, 3))
    s.note("four ports: the first in the range is kept, then they are drawn until none is left")
    s.put(udp(A, 40002, SRV, 4), udp(B, 40002, SRV, 4))
    s.answer(udp(SRV, 4, GW, 40002))
    s.put(udp(C, 7, SRV, 4), udp(A, 8, SRV, 4), udp(A, 9, SRV, 4))
    s.note("the same for TCP, its reply and its data")
    f = s.flow(A, 40001, SRV, 4, seen_client="203.0.113.3")
    f.open()
    f.c2s("PA", b"data")
    s.put(tcp(B, 40001, SRV, 4))
    s.answer(tcp(SRV, 4, GW, 40001, "RA", 0, 1001))
    s.note("echo by SNAT; the same identifier of another host")
    s.put(echo(A, SRV, 500))
    s.answer(echo(SRV, GW, 500, reply=True))
    s.put(echo(B, SRV, 500))
    s.answer(echo(SRV, GW, 500, reply=True))
    s.note("MASQUERADE to two ports; a protocol without ports; a rule that says no translation")
    s.put(udp(B, 5005, SRV, 5))
    s.answer(udp(SRV, 5, GW, 5005))
    other = udp(A, 0, SRV, 0)
    other[IP].remove_payload()
    other[IP].proto = 99
    s.put(other / Raw(b"protocol 99"), udp(A, 5006, SRV, 6), udp(SRV, 6, A, 5006))
    s.note("SNAT in INPUT: what the router answers goes to the one who asked")
    s.keys["local_services"] = [{"proto": "udp", "port": 7, "echo": True}]
    s.put(udp(C, 5007, IN_GW, 7, b"echo me"), udp(A, 5007, IN_GW, 7, b"echo me"))


@scenario("nat-destination")
def destination(s):
    """DNAT to addresses, ports, ranges, shifted ranges, oneself; REDIRECT; from the router; errors and mistakes."""
    s.keys["iptables"] = table(
        "nat",
        "-A PREROUTING -i outside -p udp -m udp --dport 53 -j DNAT --to-destination 192.168.1.10",
        "-A PREROUTING -i outside -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.168.1.10:80",
        "-A PREROUTING -i outside -p udp -m udp --dport 100:109 -j DNAT --to-destination 192.168.1.20:1100-1109/100",
        "-A PREROUTING -i outside -p udp -m udp --dport 200 -j DNAT --to-destination 192.168.1.10-192.168.1.13",
        "-A PREROUTING -i outside -p udp -m udp --dport 201 -j DNAT --to-destination 192.168.1.10-192.168.1.13 --persistent",
        "-A PREROUTING -i outside -p udp -m udp --dport 300:310 -j DNAT --to-destination 192.168.1.20:305-308",
        "-A PREROUTING -i outside -p icmp -m icmp --icmp-type 8 -d 203.0.113.1 -s 198.51.100.8 -j DNAT --to-destination 192.168.1.20",
        "-A PREROUTING -i inside -p udp -m udp --dport 53 -j REDIRECT",
        "-A PREROUTING -i inside -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128",
        "-A PREROUTING -i inside -p udp -m udp --dport 400 -j REDIRECT --to-ports 5353-5356",
        "-A PREROUTING -i inside -d 198.51.100.50 -j DNAT --to-destination 203.0.113.1",
        "-A PREROUTING -i outside -p udp -m udp --dport 500 -j DNAT --to-destination 203.0.113.77:501",
        "-A PREROUTING -i outside -p udp -m udp --dport 501 -j RETURN",
        "-A OUTPUT -p udp -m udp --dport 600 -j DNAT --to-destination 192.168.1.20:601",
        "-A POSTROUTING -o outside -s 192.168.1.0/24 -j MASQUERADE")
    s.keys["local_services"] = [{"proto": "udp", "port": 53, "reply": "local answer"}, {"proto": "udp", "port": 601, "echo": False}]
    s.note("to an address, the port kept; its answer; the host's own flow from that port in between")
    s.put(udp(SRV, 5000, GW, 53), udp(A, 53, SRV, 5000), udp(A, 53, SRV2, 5000))
    s.note("to another port, whole TCP connection from outside")
    f = s.flow(SRV, 44000, A, 80, seen_server=GW)
    outer = 8080
    for step in ("S", "A", "PA"):
        f.dp = outer
        f.c2s(step, b"GET /\r\n" if step == "PA" else b"", opts=f.opts if step == "S" else ())
        f.dp = 80
        if step != "A":
            f.s2c("SA" if step == "S" else "A", opts=f.opts if step == "S" else ())
    f.s2c("FPA", b"bye")
    f.dp = outer
    f.c2s("FA")
    f.dp = 80
    f.s2c("A")
    s.note("a shifted range of ports, its ends and beyond")
    s.put(*[udp(SRV, 5001, GW, port) for port in (100, 105, 109, 110)], udp(B, 1105, SRV, 5001))
    s.note("a range of addresses, by the hash of both ends; persistent")
    s.put(*[udp(f"198.51.100.{last}", 5002, GW, 200) for last in (7, 8, 9, 10)])
    s.put(*[udp(f"198.51.100.{last}", 5002, GW, 201) for last in (7, 8, 9)])
    s.note("a range of ports: kept if inside, else drawn; the answer finds its way")
    s.put(udp(SRV, 5003, GW, 306), udp(B, 306, SRV, 5003), udp(SRV, 5004, GW, 300))
    s.answer(udp(B, 305, SRV, 5004), side="inside")
    s.packets[-1][UDP].dport = 5004
    s.note("echo to the router's address that goes on inside")
    s.put(echo(SRV2, GW, 9), echo(B, SRV2, 9, reply=True), echo(SRV, GW, 9))
    s.note("redirected to the router: same port (a service answers), another port (nobody there), a range")
    s.put(udp(A, 5005, SRV, 53), tcp(A, 5006, SRV, 80, options=[("MSS", 1460)]), udp(A, 5007, SRV, 400))
    s.note("to the router's outside address, from inside")
    s.put(echo(A, "198.51.100.50", 10), udp(A, 5008, "198.51.100.50", 53))
    s.note("to a neighbour outside: back out of the device it came by, the reply is not seen")
    s.put(udp(SRV, 5009, GW, 500), udp(SRV, 5009, GW, 501))
    s.note("of the router itself: turned to inside, its answer")
    s.put(udp(GW, 5010, SRV, 600), udp(B, 601, GW, 5010))
    s.note("errors about DNATed flows: from the host inside, from a hop outside about its answer, from the router (TTL)")
    inner = IP(src=SRV, dst=A, id=1, ttl=63) / UDP(sport=5000, dport=53) / Raw(b"x")
    s.put(icmp(A, SRV, 3, 3, inner))
    inner = IP(src=GW, dst=SRV, id=1, ttl=60) / UDP(sport=53, dport=5000) / Raw(b"x")
    s.put(icmp("203.0.113.77", GW, 11, 0, inner), udp(SRV, 5000, GW, 53, ttl=1))
    segment = IP(src=SRV, dst=B, id=1, ttl=63) / UDP(sport=5001, dport=1105) / Raw(b"x" * 20)
    s.put(icmp(B, SRV, 3, 10, segment))


@scenario("nat-hairpin")
def hairpin(s):
    """A host inside reaches another one by the gateway's outside address: both ends translated, errors too."""
    s.keys["iptables"] = table(
        "nat",
        "-A PREROUTING -d 203.0.113.1 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.1.20:8000",
        "-A PREROUTING -d 203.0.113.1 -p udp -m udp --dport 53 -j DNAT --to-destination 192.168.1.20",
        "-A PREROUTING -d 203.0.113.1 -p udp -m udp --dport 54 -j DNAT --to-destination 192.168.1.10:5400",
        "-A POSTROUTING -s 192.168.1.0/24 -d 192.168.1.20 -p tcp -m tcp --dport 8000 -j SNAT --to-source 203.0.113.1",
        "-A POSTROUTING -s 192.168.1.0/24 -o inside -j MASQUERADE",
        "-A POSTROUTING -o outside -j MASQUERADE")
    s.note("TCP: SNAT to the outside address; a whole connection")
    f = s.flow(A, 40000, B, 8000, seen_client=GW, seen_server=GW)
    inner_port = 8000
    for flags, data, answer in (("S", b"", "SA"), ("A", b"", None), ("PA", b"GET /\r\n", "PA"), ("FA", b"", "FA"), ("A", b"", None)):
        f.dp = 80
        f.c2s(flags, data, opts=f.opts if flags == "S" else ())
        f.dp = inner_port
        if answer:
            f.s2c(answer, b"hello" if answer == "PA" else b"", opts=f.opts if flags == "S" else ())
    s.note("the same port of another host, to the same server: a port is drawn")
    s.put(tcp(C, 40000, GW, 80))
    s.answer(tcp(B, 8000, GW, 40000, "RA", 0, 1001), side="inside")
    s.note("UDP: MASQUERADE to the inside address, answered, an error about it from the host, one with its TTL over")
    s.put(udp(A, 5000, GW, 53, b"question"), udp(B, 53, IN_GW, 5000, b"answer"))
    inner = IP(src=IN_GW, dst=B, id=1, ttl=63) / UDP(sport=5000, dport=53) / Raw(b"question")
    s.put(icmp(B, IN_GW, 3, 3, inner), udp(A, 5000, GW, 53, b"question", ttl=1))
    inner = IP(src=GW, dst=A, id=1, ttl=63) / UDP(sport=53, dport=5000) / Raw(b"answer")
    s.put(icmp(A, GW, 3, 3, inner))
    s.note("to oneself by the gateway")
    s.put(udp(A, 5001, GW, 54, b"myself"), udp(A, 5400, IN_GW, 5001, b"yes"))
    s.note("from outside the same rules: the destination only")
    s.put(udp(SRV, 5002, GW, 53), udp(B, 53, SRV, 5002))
    s.note("not to a forwarded port: the gateway itself answers")
    s.put(tcp(A, 40001, GW, 81), echo(A, GW, 3))
