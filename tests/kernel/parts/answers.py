"""REJECT in all its types, and LOG."""
from parts.builder import (A, E, GW, IN_GW, IP, IPOption, Raw, SRV, TCP, UDP, echo, icmp, masquerade, scenario, table,
                           tcp, udp)

ICMP_TYPES = ("icmp-net-unreachable", "icmp-host-unreachable", "icmp-port-unreachable", "icmp-proto-unreachable",
              "icmp-net-prohibited", "icmp-host-prohibited", "icmp-admin-prohibited")


@scenario("reject-types")
def reject(s):
    """REJECT: every IPv4 type in FORWARD and INPUT, of translated flows, of long, odd and broken packets."""
    s.keys["iptables"] = masquerade(
        "-A PREROUTING -i outside -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.168.1.20:80",
        "-A PREROUTING -i outside -p udp -m udp --dport 8080 -j DNAT --to-destination 192.168.1.20:80",
    ) + table(
        "filter",
        *[f"-A FORWARD -i inside -p udp -m udp --dport {9000 + n} -j REJECT --reject-with {kind}" for n, kind in enumerate(ICMP_TYPES)],
        "-A FORWARD -i inside -p tcp -m tcp --dport 9100 -j REJECT --reject-with tcp-reset",
        "-A FORWARD -i inside -p tcp -m tcp --dport 9101 -j REJECT --reject-with icmp-port-unreachable",
        "-A FORWARD -i inside -p icmp -m icmp --icmp-type 8 -d 198.51.100.8 -j REJECT --reject-with icmp-host-prohibited",
        "-A FORWARD -i inside -p icmp -d 198.51.100.9 -j REJECT",
        "-A FORWARD -i inside -p 99 -j REJECT --reject-with icmp-proto-unreachable",
        "-A FORWARD -o inside -p tcp -d 192.168.1.20 --dport 80 -m conntrack --ctstate NEW -j REJECT --reject-with tcp-reset",
        "-A FORWARD -o inside -p udp -d 192.168.1.20 --dport 80 -j REJECT --reject-with icmp-admin-prohibited",
        "-A FORWARD -i outside -p udp --sport 53 -m conntrack --ctstate ESTABLISHED -j REJECT",
        "-A INPUT -p tcp -m tcp --dport 22 -j REJECT --reject-with tcp-reset",
        "-A INPUT -p udp -m udp --dport 9 -j REJECT --reject-with icmp-admin-prohibited")
    s.note("every ICMP type; then with more payload than an error may quote")
    for n in range(len(ICMP_TYPES)):
        s.put(udp(A, 5000 + n, SRV, 9000 + n, b"rejected" * (n + 1), ident=n + 1))
    s.put(udp(A, 5010, SRV, 9002, b"long " * 200, ident=20, ttl=2))
    s.put(udp(A, 5011, SRV, 9002, b"", ident=21, tos=0x48, flags="DF"))
    s.note("TCP: SYN, SYN with data, data of no connection, SYN/ACK, FIN, RST; then by ICMP")
    for n, (flags, data) in enumerate((("S", b""), ("S", b"early"), ("PA", b"12345"), ("SA", b""), ("FA", b""), ("R", b""),
                                       ("RA", b""), ("A", b""))):
        s.put(tcp(A, 6000 + n, SRV, 9100, flags, 1000, 7777 if "A" in flags else 0, data, options=[("MSS", 1460)] if "S" in flags else ()))
    s.put(tcp(A, 6100, SRV, 9101), tcp(A, 6101, SRV, 9101, "PA", 5, 6, b"12345"))
    s.note("echo request, an error (never answered), a protocol that has no checksum to verify: no answer, the payload adds up to none")
    s.put(echo(A, "198.51.100.8"), echo(A, "198.51.100.9"))
    inner = IP(src="198.51.100.9", dst=A, id=3, ttl=60) / UDP(sport=9, dport=9) / Raw(b"12345678")
    s.put(icmp(A, "198.51.100.9", 3, 1, inner), E() / IP(src=A, dst=SRV, proto=99, id=9) / Raw(b"protocol 99"))
    s.note("flows that DNAT has turned: the answer names what the sender knows")
    s.put(tcp(SRV, 7000, GW, 8080, options=[("MSS", 1460)]), udp(SRV, 7001, GW, 8080, b"who is there"))
    s.note("the answer of a masqueraded flow is rejected to its sender")
    s.put(udp(A, 5100, SRV, 53, b"question"), udp(SRV, 53, GW, 5100, b"answer"))
    s.note("to the router; a broadcast and a wrong checksum get no answer")
    s.put(tcp(A, 7100, IN_GW, 22), tcp(SRV, 7101, GW, 22, "A", 5, 99), udp(A, 7102, IN_GW, 9), udp(SRV, 7103, GW, 9))
    wide = udp(A, 7104, "192.168.1.255", 9)
    wide.dst = "ff:ff:ff:ff:ff:ff"
    broken, unsummed = udp(A, 7105, SRV, 9002), udp(A, 7106, SRV, 9002)
    broken[UDP].chksum, unsummed[UDP].chksum = 0xBEEF, 0
    torn = tcp(A, 7107, SRV, 9100)
    torn[TCP].chksum = 0xBEEF
    s.put(wide, broken, unsummed, torn)


@scenario("log", kmsg=True)
def log(s):
    """LOG lines: hooks, protocols, options, prefixes, what stands inside an error."""
    everything = "--log-tcp-sequence --log-tcp-options --log-ip-options"
    s.keys["iptables"] = table(
        "mangle", "-A PREROUTING -p udp --dport 53 -j LOG --log-prefix \"pre \"",
        "-A PREROUTING -p udp --dport 53 -j MARK --set-xmark 0x1f/0xffffffff",
        "-A POSTROUTING -p udp --dport 53 -j LOG --log-prefix \"post \" --log-level 7",
    ) + masquerade("-A POSTROUTING -p udp --dport 53 -j LOG --log-prefix \"nat \"") + table(
        "filter", f"-A FORWARD -p tcp -j LOG --log-prefix \"tcp: \" {everything}",
        "-A FORWARD -p udp -j LOG", "-A FORWARD -p icmp -j LOG --log-prefix \"icmp: \" --log-level 1",
        "-A FORWARD -p 47 -j LOG --log-prefix \"gre \"", f"-A FORWARD -p 99 -j LOG {everything}",
        "-A INPUT -j LOG --log-prefix \"in: \"", "-A OUTPUT -j LOG --log-prefix \"out: \" --log-uid")
    s.note("UDP on its whole way, marked; the reply")
    s.put(udp(A, 5000, SRV, 53, b"question", ident=7, tos=0x68), udp(SRV, 53, GW, 5000, b"reply"))
    s.note("TCP with options, with urgent data and ECN bits, fin and reserved bits; bare")
    s.put(tcp(A, 6000, SRV, 80, "S", 12345, options=[("MSS", 1460), ("SAckOK", b""), ("Timestamp", (9, 0)), ("WScale", 7)]))
    urgent = tcp(A, 6001, SRV, 80, "PAUEC", 1, 2, b"urgent")
    urgent[TCP].urgptr = 3
    s.put(urgent, tcp(A, 6002, SRV, 80, "FA", 4294967295, 4294967294))
    s.note("IP options, DF, an unknown protocol, GRE")
    s.put(E() / IP(src=A, dst=SRV, id=10, options=[IPOption(bytes.fromhex("94040000"))]) / TCP(sport=3, dport=4, flags="S"))
    s.put(E() / IP(src=A, dst=SRV, id=11, flags="DF") / UDP(sport=1, dport=2) / Raw(b"df"))
    s.put(E() / IP(src=A, dst=SRV, id=12, proto=99, tos=0x1c) / Raw(b"unknown"))
    s.put(E() / IP(src=A, dst=SRV, id=13, proto=47) / Raw(bytes.fromhex("00000800") + b"payload"))
    s.note("echo; an error with a UDP packet in it; a redirect; parameter problem; time stamps")
    s.put(echo(A, SRV, 300, 4), echo(SRV, GW, 300, 4, reply=True))
    inner = IP(src=GW, dst=SRV, id=7, ttl=3, tos=8) / UDP(sport=5000, dport=53) / Raw(b"question")
    s.put(icmp("203.0.113.77", GW, 11, 0, inner), icmp(SRV, GW, 3, 4, inner, nexthopmtu=1400),
          icmp("203.0.113.77", GW, 5, 1, inner, gw="203.0.113.9"), icmp(SRV, GW, 12, 0, inner, ptr=20))
    s.put(icmp(A, SRV, 13, ident=14, seq=3))
    s.note("to and from the router, and what it answers itself")
    s.put(echo(A, IN_GW, 9), udp(A, 5001, IN_GW, 4444), udp(GW, 5002, SRV, 4444, ident=15))
    wide = udp(A, 5003, "192.168.1.255", 4444)
    wide.dst = "ff:ff:ff:ff:ff:ff"
    s.put(wide)
