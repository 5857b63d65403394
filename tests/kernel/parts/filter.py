"""The filter table: who a packet is from, what it is, in which state it is."""
from parts.builder import A, B, E, GW, IN_GW, IP, Raw, SRV, UDP, echo, icmp, masquerade, scenario, table, tcp, udp


@scenario("filter-addresses")
def addresses(s):
    """-s, -d, -i, -o, -p with masks, wildcards and negation; user chains, RETURN, goto, policy."""
    s.keys["iptables"] = table(
        "filter",
        "-A INPUT ! -i lo -p udp -d 192.168.1.1 -j DROP",
        "-A INPUT -s 192.168.1.0/24 ! -d 192.168.1.255 -j ACCEPT",
        "-A FORWARD -p 99 -j ACCEPT",
        "-A FORWARD -s 192.168.1.10 -i inside -j from-a",
        "-A FORWARD ! -s 192.168.1.0/28 -i in+ -g others",
        "-A FORWARD -i outside -o inside -d 192.168.1.0/255.255.255.1 -j ACCEPT",
        "-A FORWARD ! -i inside ! -o outside -s 198.51.100.7/32 -d 192.168.1.11 -j ACCEPT",
        "-A FORWARD -o out+ -s 192.168.0.12/255.255.0.255 -j ACCEPT",
        "-A from-a -d 198.51.100.7 ! -p tcp -j RETURN",
        "-A from-a -d 198.51.100.0/29 -p tcp -j nested",
        "-A from-a -p udp -j ACCEPT",
        "-A nested -p tcp --dport 81 -j DROP",
        "-A nested -p tcp --dport 82 -j RETURN",
        "-A nested -j ACCEPT",
        "-A others -d 198.51.100.8 -j ACCEPT",
        "-A others -d 198.51.100.9 -j RETURN",
        "-A others -p icmp -j ACCEPT",
        chains=("from-a", "nested", "others"), INPUT="DROP", FORWARD="DROP", OUTPUT="ACCEPT")
    s.note("A's chain: TCP is judged in the nested one, 82 falls back through both to the policy")
    for port in (80, 81, 82):
        s.put(tcp(A, 40000 + port, SRV, port))
    s.note("A's chain: UDP to the server returns, elsewhere it is accepted; ICMP elsewhere falls through")
    s.put(udp(A, 5000, SRV, 53), udp(A, 5001, "198.51.100.200", 53), echo(A, "198.51.100.200"))
    s.note("goto: what returns, by RETURN or at the end, does not come back to FORWARD: the policy is next")
    s.put(udp(B, 5000, "198.51.100.8", 53), udp(B, 5001, "198.51.100.9", 53), echo(B, SRV), udp(B, 5002, SRV, 53))
    s.note("masks with a hole: last bit of the destination, last byte of the source")
    for last in (20, 22, 23):
        s.put(udp(SRV, 6000, f"192.168.1.{last}", 7000 + last))
    for last in (12, 13):
        s.put(udp(f"192.168.1.{last}", 6000, SRV, 7100 + last))
    s.note("both interfaces negated; a number for a protocol")
    s.put(udp(SRV, 6001, "192.168.1.11", 7001), udp("198.51.100.6", 6001, "192.168.1.11", 7001))
    s.put(E() / IP(src="192.168.1.14", dst=SRV, proto=99, id=9) / Raw(b"protocol 99"))
    s.note("to the router: UDP to its address dropped, echo taken, from outside the policy, out of a network by the policy")
    s.put(udp(A, 5010, IN_GW, 9), echo(A, IN_GW, 5), echo(SRV, GW, 6))
    s.put(udp(A, 5011, GW, 9))


@scenario("filter-protocols")
def protocols(s):
    """Ports, ranges, negation, multiport, TCP flags and options, ICMP types and codes."""
    s.keys["iptables"] = table(
        "filter",
        "-A FORWARD -p tcp -m tcp --dport 1000:1010 -j ACCEPT",
        "-A FORWARD -p tcp -m tcp --sport :1023 --dport 2000 -j ACCEPT",
        "-A FORWARD -p tcp -m tcp ! --sport 1024: --dport 2001 -j DROP",
        "-A FORWARD -p tcp -m tcp ! --dport 1:2999 --sport 3000 -j ACCEPT",
        "-A FORWARD -p udp -m udp --sport 4000 ! --dport 4001:4005 -j ACCEPT",
        "-A FORWARD -p tcp -m multiport --dports 80,443,8000:8010 -j ACCEPT",
        "-A FORWARD -p udp -m multiport --sports 53,123 -j ACCEPT",
        "-A FORWARD -p udp -m multiport --ports 500,4500 -j ACCEPT",
        "-A FORWARD -p udp -m multiport ! --dports 6000,6001,6002:6003 -m udp --sport 6100 -j ACCEPT",
        "-A FORWARD -p tcp -m tcp --dport 5000 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT",
        "-A FORWARD -p tcp -m tcp --dport 5001 ! --tcp-flags ALL SYN,ACK -j ACCEPT",
        "-A FORWARD -p tcp -m tcp --dport 5002 --tcp-flags ALL NONE -j ACCEPT",
        "-A FORWARD -p tcp -m tcp --dport 5003 --tcp-option 3 -j ACCEPT",
        "-A FORWARD -p tcp -m tcp --dport 5004 ! --tcp-option 8 -j ACCEPT",
        "-A FORWARD -p tcp -m tcp --dport 5005 ! --syn -j ACCEPT",
        "-A FORWARD -p icmp -m icmp --icmp-type 8 -j ACCEPT",
        "-A FORWARD -p icmp -m icmp --icmp-type 3/1 -j ACCEPT",
        "-A FORWARD -p icmp -m icmp ! --icmp-type 3 -s 192.168.1.20 -j ACCEPT",
        "-A FORWARD -p icmp -m icmp --icmp-type any -d 198.51.100.9 -j ACCEPT",
        FORWARD="DROP")
    s.note("ranges at their ends, open ranges, negated ones")
    for sport, dport in ((9, 999), (9, 1000), (9, 1010), (9, 1011), (1023, 2000), (1024, 2000), (1023, 2001),
                         (1024, 2001), (3000, 2999), (3000, 3000), (3001, 3000)):
        s.put(tcp(A, sport, SRV, dport))
    for dport in (4000, 4001, 4005, 4006):
        s.put(udp(A, 4000, SRV, dport))
    s.note("multiport: destination, source, either, negated")
    for dport in (80, 443, 444, 8000, 8010, 8011):
        s.put(tcp(A, 9001, SRV, dport))
    for sport, dport in ((53, 1), (123, 1), (54, 1), (500, 1), (1, 4500), (1, 4501), (6100, 6000), (6100, 6003), (6100, 6004)):
        s.put(udp(A, sport, SRV, dport))
    s.note("TCP flags under a mask")
    for flags in ("S", "SP", "SA", "SU", "A"):
        s.put(tcp(A, 9100, SRV, 5000, flags))
    for flags in ("SA", "S", "SAP"):
        s.put(tcp(A, 9101, SRV, 5001, flags))
    s.put(tcp(A, 9102, SRV, 5002, 0), tcp(A, 9102, SRV, 5002, "A"))
    s.note("TCP options there and not there; SYN and not")
    for options in ([("WScale", 7)], [("MSS", 1460), ("NOP", None), ("WScale", 7)], [("MSS", 1460)], []):
        s.put(tcp(A, 9103, SRV, 5003, options=options))
    s.put(tcp(A, 9104, SRV, 5004, options=[("Timestamp", (1, 0))]), tcp(A, 9105, SRV, 5004))
    s.put(tcp(A, 9106, SRV, 5005), tcp(A, 9107, SRV, 5005, "A", ack=1))
    s.note("ICMP by type, by type and code, negated, any")
    about = IP(src=SRV, dst=A, id=3, ttl=60) / UDP(sport=9, dport=9) / Raw(b"12345678")
    s.put(echo(A, SRV), icmp(A, SRV, 3, 1, about), icmp(A, SRV, 3, 3, about), icmp(B, SRV, 13, id=4, seq=1),
          icmp(B, SRV, 3, 1, about), icmp(B, SRV, 3, 3, about), icmp(A, "198.51.100.9", 42, 0, b"\0" * 8))


@scenario("filter-state")
def state(s):
    """The matches state and conntrack: states, original and reply addresses, status, direction, expiry."""
    s.keys["iptables"] = masquerade(
        "-A PREROUTING -i outside -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.168.1.20:80",
    ) + table(
        "filter",
        "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
        "-A FORWARD -m conntrack --ctproto 17 --ctstatus ASSURED -j assured",
        "-A FORWARD -m conntrack --ctstate DNAT --ctorigdst 203.0.113.1 --ctorigdstport 8080 -j ACCEPT",
        "-A FORWARD -p udp -m udp --dport 53 -m state --state NEW -j ACCEPT",
        "-A FORWARD -p udp -m conntrack --ctstate ESTABLISHED --ctdir REPLY --ctstatus SEEN_REPLY -j ACCEPT",
        "-A FORWARD -p udp -m conntrack ! --ctstate NEW,RELATED --ctdir ORIGINAL --ctrepldst 203.0.113.1 -j ACCEPT",
        "-A FORWARD -p udp -m udp --dport 54 -m conntrack ! --ctorigsrc 192.168.1.10 --ctreplsrc 198.51.100.7 -j ACCEPT",
        "-A FORWARD -p icmp -m conntrack --ctstate RELATED --ctproto 17 -j ACCEPT",
        "-A FORWARD -p icmp -m conntrack --ctexpire 25:35 -j ACCEPT",
        "-A FORWARD -p icmp -m conntrack --ctstate NEW -m icmp --icmp-type 8 -j ACCEPT",
        "-A FORWARD -p tcp -m conntrack --ctstate ESTABLISHED --ctreplsrcport 443 --ctorigsrcport 40000:40010 -j ACCEPT",
        "-A FORWARD -p tcp -m tcp --dport 443 --syn -m conntrack --ctstatus NONE,CONFIRMED --ctstate NEW -j DROP",
        "-A FORWARD -p tcp -m tcp --dport 443 -m state --state NEW -j ACCEPT",
        "-A assured -m conntrack --ctexpire 60:120 -j ACCEPT",
        "-A assured -j DROP",
        chains=("assured",), FORWARD="DROP")
    s.note("UDP: NEW, its reply, more of it; a reply that nobody asked for")
    s.put(udp(A, 5000, SRV, 53), udp(SRV, 53, GW, 5000), udp(A, 5000, SRV, 53), udp(SRV, 53, A, 5999))
    s.note("the same flow assured after two seconds: the rule on its expiry")
    s.step(sleep=2.1)
    s.put(udp(A, 5000, SRV, 53), udp(SRV, 53, GW, 5000), udp(A, 5000, SRV, 53))
    s.step(advance=70)
    s.put(udp(SRV, 53, GW, 5000))
    s.note("by original source and reply source, negated")
    s.put(udp(A, 5001, SRV, 54), udp(B, 5001, SRV, 54), udp(B, 5002, "198.51.100.8", 54))
    s.note("an error about a flow: RELATED; one about none: INVALID")
    inner = IP(src=GW, dst=SRV, id=1, ttl=1) / UDP(sport=5001, dport=54) / Raw(b"x")
    s.put(icmp("203.0.113.77", GW, 11, 0, inner))
    s.put(icmp("203.0.113.77", GW, 11, 0, IP(src=GW, dst=SRV, id=1) / UDP(sport=1, dport=2) / Raw(b"x")))
    s.note("echo: NEW accepted, the second one by its expiry, the reply too")
    s.put(echo(A, SRV), echo(SRV, GW, reply=True), echo(A, SRV, seq=2))
    s.note("DNAT: accepted in both directions as long as the entry says so")
    f = s.flow(SRV, 44000, "192.168.1.20", 80, seen_server=GW)
    f.dp, inside_port = 8080, 80
    f.c2s("S", opts=f.opts)
    f.dp = inside_port
    f.s2c("SA", opts=f.opts)
    f.dp = 8080
    f.c2s("A")
    s.note("TCP: the first packet of a flow is not CONFIRMED yet, whatever else is asked for")
    g = s.flow(A, 40005, SRV, 443, seen_client=GW)
    g.c2s("S", opts=g.opts)
    s.note("picked up in the middle: NEW without SYN, then ESTABLISHED by ports")
    h = s.flow(A, 40006, SRV, 443, seen_client=GW)
    h.c2s("PA", b"hello")
    h.s2c("PA", b"hello back")
    h.c2s("A")
    s.note("a flow from another port: its answers are not accepted")
    k = s.flow(A, 40020, SRV, 443, seen_client=GW)
    k.c2s("PA", b"hello")
    k.s2c("PA", b"hello back")
    s.put(tcp(A, 40021, SRV, 443, "FU"))
