"""What random cases have shown: answers of the router that are cut or rejected, errors that come in pieces."""
from parts.builder import (A, A6, E, E6, GW, GW6, ICMP, IN6_GW, IN_GW, IP, IPv6, Raw, S6, SRV, TCP, UDP, icmp, masquerade,
                           scenario, table, tcp, udp)
from parts.fragments import part
from parts.fragments6 import part as part6
from parts.ipv6 import error6, nat, six, tcp6, udp6
from scapy.all import ICMPv6DestUnreach, ICMPv6TimeExceeded


@scenario("local-answers")
def answers(s):
    """Answers of services over a link that is too narrow; resets that OUTPUT rejects; a redirect where nothing translates."""
    s.keys["outside"] = {"addrs": [f"{GW}/24"], "mtu": 600}
    s.keys["iptables"] = table("filter", "-A FORWARD -p tcp -m tcp --dport 81 -j REJECT --reject-with tcp-reset",
                               "-A OUTPUT -p tcp -m tcp --sport 81 -j REJECT", "-A OUTPUT -p udp -m udp --sport 9 -j REJECT")
    s.keys["local_services"] = [{"proto": "udp", "port": 7, "echo": True}, {"proto": "udp", "port": 9, "echo": True}]
    s.note("an echo of 500, 572, 573 and 1400 bytes")
    for number, size in enumerate((500, 572, 573, 1400)):
        s.put(E() / IP(src=SRV, dst=GW) / UDP(sport=5000 + number, dport=7) / Raw(b"e" * size))
    s.note("a reset that is rejected on its way out: the error quotes it as it is by then; an answer that is")
    s.put(tcp(A, 6000, SRV, 81), tcp(A, 6000, SRV, 81, "A", ack=9), udp(A, 5010, IN_GW, 9, b"rejected"))
    s.note("a closed port, with a traffic class")
    s.put(tcp(A, 6001, IN_GW, 80, tos=0xBA))
    s.note("a redirect about a flow, whole and in pieces")
    s.put(tcp(GW, 5000, A, 511, "A", ack=7))
    about = IP(src=A, dst=GW, ttl=60) / TCP(sport=511, dport=5000, flags="A", seq=7, ack=1001)
    s.put(icmp("198.51.100.99", A, 5, 1, bytes(about), gw="192.168.1.99"))
    whole = bytes(IP(src="198.51.100.99", dst=A) / ICMP(type=5, code=1, gw="192.168.1.99") / Raw(bytes(about)))[20:]
    for start, end in ((0, 16), (16, 32), (32, len(whole))):
        s.put(part("198.51.100.99", A, 9, whole, start, end, proto=1))


@scenario("ipv6-answers")
def answers6(s):
    """The same over IPv6: answers that are cut, resets that OUTPUT rejects, traffic classes of resets."""
    six(s, table("filter", "-A FORWARD -p tcp -m tcp --dport 81 -j REJECT --reject-with tcp-reset",
                 "-A OUTPUT -p tcp -m tcp --sport 81 -j REJECT", "-A OUTPUT -p udp -m udp --sport 9 -j REJECT"), outside={"mtu": 1300})
    s.keys["local_services"] = [{"proto": "udp", "port": 7, "addr": "::", "echo": True}, {"proto": "udp", "port": 9, "addr": "::", "echo": True}]
    s.note("an echo of 500, 1252, 1253, 1254 and 1400 bytes")
    for number, size in enumerate((500, 1252, 1253, 1254, 1400)):
        s.put(udp6(S6, 5000 + number, GW6, 7, b"e" * size))
    s.note("a reset that is rejected on its way out; an answer that is")
    s.put(tcp6(A6, 6000, S6, 81), tcp6(A6, 6000, S6, 81, "A", ack=9), udp6(A6, 5010, IN6_GW, 9, b"rejected"))
    s.note("a closed port, with a traffic class")
    s.put(tcp6(A6, 6001, IN6_GW, 80, tc=0xBA), tcp6(A6, 6002, S6, 81, tc=0xB8))


def edges(*lens):
    """The ends of pieces of these lengths."""
    at = [0]
    for length in lens:
        at.append(at[-1] + length)
    return list(zip(at, at[1:]))


@scenario("fragments-errors")
def errors(s):
    """Errors about translated flows and others, in pieces: what NAT looks at lies in one piece when they leave."""
    s.keys["iptables"] = masquerade("-A PREROUTING -d 203.0.113.80/32 -j DNAT --to-destination 192.168.1.10")
    for proto, upper in ((17, UDP(sport=5000, dport=53)), (6, TCP(sport=5001, dport=80, seq=7)), (1, ICMP(id=9))):
        s.put(E() / IP(src=A, dst=SRV) / upper / Raw(b"x" * 100))
    s.put(E() / IP(src=SRV, dst=A) / UDP(sport=700, dport=800) / Raw(b"y" * 100))
    ident = iter(range(100, 999))
    s.note("about UDP, TCP, ping, from outside; about a flow that is not translated, from inside")
    for sender, to, about in (("203.0.113.77", GW, IP(src=GW, dst=SRV) / UDP(sport=5000, dport=53) / Raw(b"x" * 100)),
                              ("203.0.113.77", GW, IP(src=GW, dst=SRV) / TCP(sport=5001, dport=80, seq=7) / Raw(b"x" * 100)),
                              ("203.0.113.77", GW, IP(src=GW, dst=SRV) / ICMP(id=9) / Raw(b"x" * 100)),
                              (A, SRV, IP(src=SRV, dst=A) / UDP(sport=700, dport=800) / Raw(b"y" * 100))):
        whole = bytes(IP(src=sender, dst=to) / ICMP(type=3, code=3) / Raw(bytes(about)))[20:]
        for lens in ((8, 8, 8, 8, 8, 8), (16, 16, 16), (32, 8, 8), (40,)):
            number = next(ident)
            pieces = edges(*lens, len(whole) - sum(lens))
            s.put(*[part(sender, to, number, whole, start, end, proto=1) for start, end in pieces])


@scenario("ipv6-fragments-errors")
def errors6(s):
    """Errors about translated flows and others, in pieces, over IPv6."""
    six(s, nat("-A POSTROUTING -o outside -j MASQUERADE"))
    s.put(udp6(A6, 5000, S6, 53, b"x" * 100), tcp6(A6, 5001, S6, 80, seq=7), udp6(S6, 700, A6, 800, b"y" * 100))
    ident = iter(range(100, 999))
    s.note("about UDP, TCP, from outside; about a flow that is not translated, from inside")
    hop = "2001:db8:1::77"
    for sender, to, about in ((hop, GW6, udp6(GW6, 5000, S6, 53, b"x" * 100)), (hop, GW6, tcp6(GW6, 5001, S6, 80, seq=7, data=b"x" * 80)),
                              (A6, S6, udp6(S6, 700, A6, 800, b"y" * 100))):
        for message in (ICMPv6DestUnreach(code=4), ICMPv6TimeExceeded()):
            whole = bytes(error6(sender, to, message, about)[IPv6])[40:]
            for lens in ((8, 8, 8, 8, 8, 8, 8, 8), (16, 16, 16, 16), (48, 8, 8), (64,)):
                number = next(ident)
                pieces = edges(*lens, len(whole) - sum(lens))
                s.put(*[part6(sender, to, number, whole, start, end, nh=58) for start, end in pieces])
