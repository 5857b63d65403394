"""IPv6: the same machinery on longer addresses, and what only IPv6 has: extension headers, neighbours, ICMPv6."""
from parts.builder import E6, IN6_GW, Raw, S6, A6, B6, GW6, TCP, UDP, scenario, table
from scapy.all import (AH, ESP, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6MLQuery, ICMPv6MLReport2,
                       ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_RS,
                       ICMPv6NIQueryNOOP, ICMPv6PacketTooBig, ICMPv6ParamProblem, ICMPv6TimeExceeded, IPv6,
                       IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Padding, PadN)

HOP = "2001:db8:1::77"


def six(s, *rules, **keys):
    """A scenario with an IPv6 router: inside fd00:1::/64, outside 2001:db8:1::/64, everything else behind outside."""
    s.keys["inside"] = {"addrs": [f"{IN6_GW}/64"]} | keys.get("inside", {})
    s.keys["outside"] = {"addrs": [f"{GW6}/64"]} | keys.get("outside", {})
    s.keys["routes"] = [{"dst": "default", "via": "2001:db8:1::fe", "dev": "outside"}] + keys.get("routes", [])
    s.keys["ip6tables"] = [line for rule in rules for line in rule]


def udp6(src, sport, dst, dport, data=b"data", **ip):
    return E6() / IPv6(src=src, dst=dst, **ip) / UDP(sport=sport, dport=dport) / Raw(data)


def tcp6(src, sport, dst, dport, flags="S", seq=1000, ack=0, data=b"", options=(), **ip):
    packet = E6() / IPv6(src=src, dst=dst, **ip) / \
        TCP(sport=sport, dport=dport, flags=flags, seq=seq, ack=ack, window=64240, options=list(options))
    return packet / Raw(data) if data else packet


def ping6(src, dst, number=7, seq=1, reply=False, data=b"ping data", **ip):
    kind = ICMPv6EchoReply if reply else ICMPv6EchoRequest
    return E6() / IPv6(src=src, dst=dst, **ip) / kind(id=number, seq=seq, data=data)


def error6(src, dst, message, about, **ip):
    """An ICMPv6 error about the IPv6 packet inside a frame."""
    inner = about[IPv6] if IPv6 in about else about
    return E6() / IPv6(src=src, dst=dst, **ip) / message / Raw(bytes(inner))


def nat(*rules):
    return table("nat", *rules)


@scenario("ipv6-filter", kmsg=False)
def filters(s):
    """Header options, networks and masks, states, ports, hop limits, marks; TCP from handshake to the end."""
    six(s, table("mangle", "-A FORWARD -p udp -m udp --dport 1001 -j HL --hl-set 10",
                 "-A FORWARD -p udp -m udp --dport 1002 -j HL --hl-inc 5", "-A FORWARD -p udp -m udp --dport 1003 -j HL --hl-dec 2",
                 "-A FORWARD -p udp -m udp --dport 1004 -j TOS --set-tos 0x28/0xff",
                 "-A FORWARD -p udp -m udp --dport 1005 -j DSCP --set-dscp 0x2e",
                 "-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
                 "-A PREROUTING -s fd00:1::20/128 -j MARK --set-xmark 0x7/0xffffffff"),
        table("filter", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
              "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
              "-A FORWARD -d 2001:db8:bad::/48 -j DROP", "-A FORWARD ! -s fd00:1::/64 -i inside -j DROP",
              "-A FORWARD -s ::20/::ffff -p udp -m udp --dport 1010 -j DROP",
              "-A FORWARD -m mark --mark 0x7 -p udp -m udp --dport 1011 -j DROP",
              "-A FORWARD -p udp -m hl --hl-lt 5 -m udp --dport 1012 -j DROP",
              "-A FORWARD -p udp -m hl ! --hl-eq 63 -m udp --dport 1013 -j DROP",
              "-A FORWARD -p udp -m iprange --dst-range 2001:db8:2::10-2001:db8:2::1f -j DROP",
              "-A FORWARD -p udp -m multiport --dports 1020,1030:1035 -j DROP",
              "-A FORWARD -p udp -m addrtype --dst-type LOCAL -j DROP",
              "-A FORWARD -p udp -m length --length 100:200 -m udp --dport 1014 -j DROP",
              "-A FORWARD -p udp -m tos --tos 0x28/0xff -m udp --dport 1015 -j DROP",
              "-A FORWARD -i outside -m conntrack --ctstate NEW -j DROP"))
    s.note("changed: hop limit set, raised, lowered; traffic class; DSCP")
    s.put(*(udp6(A6, 5000 + port, S6, port, tc=0x03, fl=0x12345) for port in (1001, 1002, 1003, 1004, 1005)))
    s.note("dropped by network, by source mask, by mark, by hop limit, by range, by ports, by length, by traffic class")
    s.put(udp6(A6, 1, "2001:db8:bad::1", 9), udp6("fd00:2::5", 1, S6, 9), udp6(B6, 2, S6, 1010), udp6(A6, 2, S6, 1010),
          udp6(B6, 3, S6, 1011), udp6(A6, 3, S6, 1011), udp6(A6, 4, S6, 1012, hlim=5), udp6(A6, 4, S6, 1012, hlim=6),
          udp6(A6, 5, S6, 1013, hlim=64), udp6(A6, 6, S6, 1013, hlim=65), udp6(A6, 7, "2001:db8:2::15", 9),
          udp6(A6, 7, "2001:db8:2::20", 9), udp6(A6, 8, S6, 1020), udp6(A6, 8, S6, 1033), udp6(A6, 8, S6, 1036),
          udp6(A6, 9, S6, 1014, b"l" * 60), udp6(A6, 9, S6, 1014, b"l" * 10), udp6(A6, 10, S6, 1015, tc=0x28))
    s.note("a connection with data; its MSS lowered; from outside nothing starts; a segment of no connection")
    f = (A6, 6000, S6, 80)
    b = (S6, 80, A6, 6000)
    s.put(tcp6(*f, "S", 100, options=[("MSS", 8940)]), tcp6(*b, "SA", 900, 101, options=[("MSS", 1440)]), tcp6(*f, "A", 101, 901),
          tcp6(*f, "PA", 101, 901, b"GET / HTTP/1.0\r\n\r\n"), tcp6(*b, "PA", 901, 119, b"HTTP/1.0 200 OK\r\n"),
          tcp6(*f, "FA", 119, 918), tcp6(*b, "FA", 918, 120), tcp6(*f, "A", 120, 919),
          tcp6(S6, 81, A6, 6000, "S", 1), tcp6(A6, 6001, S6, 80, "SA", 5, 6))
    s.note("a bad checksum; UDP without one")
    wrong, none = udp6(A6, 11, S6, 53), udp6(A6, 12, S6, 53)
    wrong[UDP].chksum, none[UDP].chksum = 0x1234, 0
    s.put(wrong, none)


@scenario("ipv6-icmp")
def messages(s):
    """What ICMPv6 messages are to conntrack, and how rules see them; errors about flows, known and not."""
    six(s, table("filter", "-A FORWARD -p ipv6-icmp -m icmp6 --icmpv6-type 1/1 -j DROP",
                 "-A FORWARD -p ipv6-icmp -m icmp6 --icmpv6-type 129 -m conntrack --ctstate INVALID -j DROP",
                 "-A FORWARD -p ipv6-icmp -m icmp6 ! --icmpv6-type 128 -m conntrack --ctstate NEW -j DROP",
                 "-A FORWARD -i outside -m conntrack --ctstate RELATED,ESTABLISHED,UNTRACKED -j ACCEPT",
                 "-A FORWARD -i outside -j DROP"))
    s.note("ping and pong, again after ten seconds; a reply nobody asked for; node information; an unknown type")
    s.put(ping6(A6, S6), ping6(S6, A6, reply=True))
    s.step(advance=10)
    s.put(ping6(A6, S6, seq=2), ping6(S6, A6, 8, reply=True), E6() / IPv6(src=A6, dst=S6) / ICMPv6NIQueryNOOP(nonce=b"12345678"))
    odd = E6() / IPv6(src=A6, dst=S6) / ICMPv6EchoRequest(id=1, seq=1)
    odd[ICMPv6EchoRequest].type = 200
    s.put(odd)
    s.note("errors about the ping and about a UDP flow: unreachable, too big, time exceeded, parameter problem")
    ping, question = ping6(A6, S6), udp6(A6, 5000, S6, 53)
    s.put(question)
    s.put(error6(HOP, A6, ICMPv6DestUnreach(code=0), ping), error6(HOP, A6, ICMPv6DestUnreach(code=1), question),
          error6(S6, A6, ICMPv6DestUnreach(code=4), question), error6(HOP, A6, ICMPv6PacketTooBig(mtu=1400), question),
          error6(HOP, A6, ICMPv6TimeExceeded(code=0), question), error6(HOP, A6, ICMPv6ParamProblem(code=1, ptr=40), question))
    s.note("an error about no flow; sent to somebody else; that quotes too little; with a bad checksum; of an unknown kind")
    s.put(error6(HOP, A6, ICMPv6DestUnreach(code=4), udp6(A6, 9, S6, 53)), error6(HOP, B6, ICMPv6DestUnreach(code=4), question))
    cut = E6() / IPv6(src=HOP, dst=A6) / ICMPv6DestUnreach(code=4) / Raw(bytes(question[IPv6])[:42])
    torn, strange = error6(HOP, A6, ICMPv6DestUnreach(code=4), question), error6(HOP, A6, ICMPv6DestUnreach(code=4), question)
    torn[ICMPv6DestUnreach].cksum = 0x1234
    strange[ICMPv6DestUnreach].type = 100
    s.put(cut, torn, strange)
    s.note("with an extension header in the quoted packet")
    behind = E6() / IPv6(src=A6, dst=S6) / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0\0\0\0")]) / UDP(sport=5001, dport=53) / Raw(b"data")
    s.put(behind, error6(HOP, A6, ICMPv6DestUnreach(code=4), behind))
    s.note("the link's own business is not tracked, and a router does not forward it far")
    s.put(E6() / IPv6(src=A6, dst=S6) / ICMPv6ND_RS(), E6() / IPv6(src=S6, dst=A6) / ICMPv6ND_RA(),
          E6() / IPv6(src=A6, dst=S6, hlim=255) / ICMPv6ND_NS(tgt=S6), E6() / IPv6(src=A6, dst=S6) / ICMPv6MLQuery())
    s.note("too short; ICMP of IPv4 over IPv6")
    short = E6() / IPv6(src=A6, dst=S6, nh=58) / Raw(b"\x80\x00\x00\x00")
    s.put(short, E6() / IPv6(src=A6, dst=S6, nh=1) / Raw(b"\x08\x00\xf7\xff\x00\x00\x00\x00"))


@scenario("ipv6-nat")
def translation(s):
    """NAT66: SNAT, DNAT, MASQUERADE, REDIRECT, port ranges, clashes, errors inside and outside."""
    six(s, nat("-A PREROUTING -i outside -p tcp -m tcp --dport 8080 -j DNAT --to-destination [fd00:1::80]:80",
               "-A PREROUTING -i outside -p udp -m udp --dport 5353 -j DNAT --to-destination fd00:1::53",
               "-A PREROUTING -i inside -p udp -m udp --dport 602 -j REDIRECT --to-ports 53",
               "-A POSTROUTING -o outside -s fd00:1::20/128 -j SNAT --to-source 2001:db8:1::20",
               "-A POSTROUTING -o outside -s fd00:1::30/128 -p udp -j SNAT --to-source [2001:db8:1::30]:3000-3001",
               "-A POSTROUTING -o outside -j MASQUERADE"),
        outside={"addrs": [f"{GW6}/64"]})
    s.keys["local_services"] = [{"proto": "udp", "port": 53, "addr": "::", "echo": True}]
    s.keys["neighbours"] = ["fd00:1::80", "fd00:1::53"]
    s.note("masqueraded, and its answer; TCP; ping with its identifier; a protocol without ports")
    s.put(udp6(A6, 5000, S6, 53), udp6(S6, 53, GW6, 5000, b"answer"), tcp6(A6, 6000, S6, 80), tcp6(S6, 80, GW6, 6000, "SA", 9, 1001),
          ping6(A6, S6, 9), ping6(S6, GW6, 9, reply=True), E6() / IPv6(src=A6, dst=S6, nh=99) / Raw(b"ninety-nine"))
    s.note("clashes: the same port of another host, the same identifier; each answered")
    s.put(udp6("fd00:1::11", 5000, S6, 53))
    s.answer(udp6(S6, 53, GW6, 5000, b"for the other"))
    s.put(ping6("fd00:1::11", S6, 9))
    s.answer(ping6(S6, GW6, 9, reply=True))
    s.note("SNAT to one address; to two ports, the third flow finds none")
    s.put(udp6(B6, 5000, S6, 53), udp6(S6, 53, "2001:db8:1::20", 5000))
    s.put(udp6("fd00:1::30", 3000, S6, 53), udp6("fd00:1::30", 3001, S6, 53), udp6("fd00:1::30", 3002, S6, 53))
    s.note("DNAT with a port and without; the answers come from the outside address; from the server itself: masqueraded")
    s.put(tcp6(S6, 7000, GW6, 8080), tcp6("fd00:1::80", 80, S6, 7000, "SA", 5, 1001), udp6(S6, 7001, GW6, 5353),
          udp6("fd00:1::53", 5353, S6, 7001, b"a"))
    s.note("REDIRECT and its answer")
    s.put(udp6(A6, 5002, S6, 602, b"to you"))
    s.note("errors about translated flows: from a hop, from the server, about the DNAT flow from inside; quoted ports change too")
    out = IPv6(src=GW6, dst=S6, hlim=1) / UDP(sport=5000, dport=53) / Raw(b"data")
    out = IPv6(bytes(out))
    s.put(error6(HOP, GW6, ICMPv6TimeExceeded(), out), error6(S6, GW6, ICMPv6DestUnreach(code=4), out),
          error6(HOP, GW6, ICMPv6PacketTooBig(mtu=1300), IPv6(bytes(IPv6(src=GW6, dst=S6) / TCP(sport=6000, dport=80, seq=1000)))))
    inner = IPv6(bytes(IPv6(src=S6, dst="fd00:1::80", hlim=63) / TCP(sport=7000, dport=80, seq=1000)))
    s.put(error6("fd00:1::80", S6, ICMPv6DestUnreach(code=1), inner), error6("fd00:1::1:99", S6, ICMPv6DestUnreach(code=3), inner))
    s.note("an error about a ping; one that quotes too little to be translated")
    pinged = IPv6(bytes(IPv6(src=GW6, dst=S6) / ICMPv6EchoRequest(id=9, seq=1, data=b"ping data")))
    s.put(error6(HOP, GW6, ICMPv6DestUnreach(), pinged))
    s.put(E6() / IPv6(src=HOP, dst=GW6) / ICMPv6TimeExceeded() / Raw(bytes(out)[:44]))
    s.note("INVALID is not translated")
    torn = udp6(A6, 5009, S6, 53)
    torn[UDP].chksum = 0x1234
    s.put(torn)


@scenario("ipv6-reject")
def rejects(s):
    """Every type of REJECT, resets to all kinds of segments, and what is not answered."""
    kinds = ["icmp6-no-route", "icmp6-adm-prohibited", "icmp6-addr-unreachable", "icmp6-port-unreachable", "icmp6-policy-fail",
             "icmp6-reject-route"]
    rules = [f"-A FORWARD -p udp -m udp --dport {100 + n} -j REJECT --reject-with {kind}" for n, kind in enumerate(kinds)]
    six(s, table("filter", *rules, "-A FORWARD -p tcp -j REJECT --reject-with tcp-reset", "-A FORWARD -p ipv6-icmp -j REJECT",
                 "-A FORWARD -p 99 -j REJECT", "-A INPUT -p udp -m udp --dport 7 -j REJECT", "-A INPUT -p tcp -j REJECT --reject-with tcp-reset",
                 "-A OUTPUT -p udp -m udp --dport 8 -j REJECT"))
    s.note("each type; a large packet is quoted as far as 1280 bytes carry; traffic class and flow label of the rejected do not count")
    s.put(*(udp6(A6, 5000, S6, 100 + n) for n in range(len(kinds))), udp6(A6, 5001, S6, 103, b"x" * 1400), udp6(A6, 5001, S6, 100, tc=0xb8, fl=0xabcde))
    s.note("resets: to a SYN, SYN with data, ACK, FIN; none to a RST, none to a bad checksum")
    s.put(tcp6(A6, 6000, S6, 80), tcp6(A6, 6001, S6, 80, "S", 5, 0, b"early"), tcp6(A6, 6002, S6, 80, "A", 5, 77),
          tcp6(A6, 6003, S6, 80, "FA", 5, 78), tcp6(A6, 6004, S6, 80, "F", 5), tcp6(A6, 6005, S6, 80, "R", 5))
    torn = tcp6(A6, 6006, S6, 80)
    torn[TCP].chksum = 0x1234
    torn_udp = udp6(A6, 5002, S6, 103)
    torn_udp[UDP].chksum = 0x1234
    s.put(torn, torn_udp)
    s.note("echo is answered with an error, an error is not; a protocol of which nothing is known; no data at all")
    s.put(ping6(A6, S6), error6(A6, S6, ICMPv6DestUnreach(code=4), udp6(S6, 1, A6, 2)), E6() / IPv6(src=A6, dst=S6, nh=99) / Raw(b"99"),
          E6() / IPv6(src=A6, dst=S6, nh=99))
    s.note("to the router; by the router")
    s.put(udp6(A6, 5003, IN6_GW, 7), tcp6(A6, 6007, IN6_GW, 80), udp6(S6, 5003, GW6, 7))


@scenario("ipv6-headers")
def headers(s):
    """Extension headers: what conntrack, rules and NAT make of what stands behind them."""
    six(s, nat("-A POSTROUTING -o outside -p udp -m udp --sport 7000 -j MASQUERADE"),
        table("filter", "-A FORWARD -p udp -m udp --dport 9 -j DROP", "-A FORWARD -p tcp -m tcp --dport 9 -j DROP"))

    def behind(*extensions, src=A6, dst=S6, upper=None, **ip):
        packet = E6() / IPv6(src=src, dst=dst, **ip)
        for extension in extensions:
            packet = packet / extension
        return packet / (upper or UDP(sport=5000, dport=53) / Raw(b"data"))

    hop, pad = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0\0\0\0")]), IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0\0\0\0")])
    route = IPv6ExtHdrRouting(addresses=["2001:db8:9::1"], segleft=0)
    s.note("hop-by-hop options, destination options, a routing header that is used up, all of them; authentication")
    s.put(behind(hop), behind(pad), behind(route), behind(hop, pad, route, pad),
          behind(AH(nh=17, payloadlen=4, spi=1, seq=1, icv=b"0123456789ab"), upper=UDP(sport=5001, dport=53) / Raw(b"data")))
    s.note("a routing header with a station left; the answer to the first flow, with options")
    s.put(behind(IPv6ExtHdrRouting(addresses=["2001:db8:9::1"], segleft=1), upper=UDP(sport=5002, dport=53) / Raw(b"d")))
    s.put(behind(pad, src=S6, dst=A6, upper=UDP(sport=53, dport=5000) / Raw(b"answer")))
    s.note("rules see ports behind them; NAT changes them there")
    s.put(behind(hop, upper=UDP(sport=5003, dport=9) / Raw(b"d")), behind(pad, upper=TCP(sport=5003, dport=9)),
          behind(hop, pad, upper=UDP(sport=7000, dport=53) / Raw(b"d")))
    s.note("an atomic fragment")
    s.put(behind(IPv6ExtHdrFragment(offset=0, m=0, id=7), upper=UDP(sport=5004, dport=53) / Raw(b"atom")))
    s.note("ESP; nothing behind; an unknown header; a chain that breaks off")
    s.put(behind(ESP(spi=5, seq=1, data=b"encrypted"), upper=Raw(b"more")), E6() / IPv6(src=A6, dst=S6, nh=59),
          E6() / IPv6(src=A6, dst=S6, nh=59) / Raw(b"not to be read"), E6() / IPv6(src=A6, dst=S6, nh=253) / Raw(b"experiment"),
          E6() / IPv6(src=A6, dst=S6, nh=60) / Raw(b"\x11\x04\x01\x04\0\0\0\0"))
    s.note("the jumbo-free padding of a link is cut off; a length that promises more")
    padded = udp6(A6, 5005, S6, 53, b"p")
    s.put(padded / Padding(b"\0" * 20))
    longer = IPv6(bytes(udp6(A6, 5006, S6, 53, b"short")[IPv6]))
    longer.plen = 40
    s.put(E6() / longer)


@scenario("ipv6-routing")
def routing(s):
    """What gets nowhere: hop limits, routes, scopes, sizes; Packet Too Big with the right MTU."""
    six(s, table("filter"), inside={"addrs": [f"{IN6_GW}/64"], "mtu": 1500}, outside={"addrs": [f"{GW6}/64"], "mtu": 1400},
        routes=[{"dst": "2001:db8:5::/48", "via": "2001:db8:1::fe", "dev": "outside", "extra": ["mtu", "1300"]}])
    s.keys["routes"] = [route for route in s.keys["routes"] if route["dst"] != "default"]
    s.keys["routes"] += [{"dst": "2001:db8:2::/48", "via": "2001:db8:1::fe", "dev": "outside"}]
    s.keys["setup"] = ["ip -6 route add blackhole 2001:db8:66::/48", "ip -6 route add unreachable 2001:db8:67::/48",
                       "ip -6 route add prohibit 2001:db8:68::/48"]
    s.note("hop limit 1 and 2; no route; blackhole, unreachable, prohibit")
    s.put(udp6(A6, 1, S6, 53, hlim=1), udp6(A6, 1, S6, 53, hlim=2), udp6(A6, 2, "2001:db8:99::1", 53), udp6(A6, 3, "2001:db8:66::1", 53),
          udp6(A6, 4, "2001:db8:67::1", 53), udp6(A6, 5, "2001:db8:68::1", 53))
    s.note("too big for the device, for the route; just fitting; an error is answered too, but not about an error")
    s.put(udp6(A6, 6, S6, 53, b"b" * 1400), udp6(A6, 7, "2001:db8:5::1", 53, b"b" * 1300), udp6(A6, 8, S6, 53, b"b" * (1400 - 48)),
          ping6(A6, S6, data=b"p" * 1400), error6(A6, S6, ICMPv6DestUnreach(), udp6(S6, 1, A6, 1, b"q" * 1380)))
    s.note("sources that must not be: unspecified, link-local, loopback, a group; destinations: link-local, loopback, unspecified")
    s.put(udp6("::", 9, S6, 53), udp6("fe80::99", 9, S6, 53), udp6("::1", 9, S6, 53), udp6("ff02::5", 9, S6, 53), side="inside")
    s.put(udp6(A6, 10, "::1", 53), udp6(A6, 11, "ff01::1", 53), udp6(A6, 12, "ff05::99", 53))
    s.note("hop limit over for an error and for a ping: only the ping is answered; the sender is on the other side")
    s.put(error6(A6, S6, ICMPv6DestUnreach(), udp6(S6, 1, A6, 1), hlim=1), ping6(A6, S6, 9, hlim=1), udp6(S6, 13, A6, 53, hlim=1))
    s.note("routed back out where it came from: its neighbour is told nothing here")


@scenario("ipv6-local")
def local(s):
    """The router itself: ping in and out, services, closed ports, neighbours' questions, groups."""
    six(s, table("filter", "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 128 -s 2001:db8:2::66/128 -j DROP"))
    s.keys["local_services"] = [{"proto": "udp", "port": 7, "addr": "::", "echo": True}, {"proto": "udp", "port": 9, "addr": "::", "echo": False}]
    s.note("ping to each address, from both sides, large, with traffic class; filtered; a reply nobody waits for")
    s.put(ping6(A6, IN6_GW), ping6(A6, GW6, 8), ping6(S6, GW6, 9), ping6(A6, IN6_GW, 10, data=b"p" * 1200, tc=0xb8, fl=0x777),
          ping6("2001:db8:2::66", GW6, 11), ping6(A6, IN6_GW, 12, reply=True))
    s.note("with options in front")
    s.put(E6() / IPv6(src=A6, dst=IN6_GW) / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0\0\0\0")]) / ICMPv6EchoRequest(id=13, seq=1, data=b"opt"))
    s.note("services; a closed port, UDP and TCP; unknown protocols; UDP without checksum")
    bare = udp6(A6, 5002, IN6_GW, 7)
    bare[UDP].chksum = 0
    s.put(udp6(A6, 5000, IN6_GW, 7, b"echo"), udp6(S6, 5000, GW6, 9), udp6(A6, 5001, IN6_GW, 10), tcp6(A6, 6000, IN6_GW, 80),
          tcp6(A6, 6001, IN6_GW, 80, "A", 5, 6), E6() / IPv6(src=A6, dst=IN6_GW, nh=99) / Raw(b"99"),
          E6() / IPv6(src=A6, dst=IN6_GW) / IPv6ExtHdrDestOpt(nh=99, options=[PadN(optdata=b"\0\0\0\0")]) / Raw(b"99"),
          E6() / IPv6(src=A6, dst=IN6_GW, nh=59), bare)
    s.note("the router's own: ping and its answer, UDP, from the inside address outwards")
    s.put(ping6(GW6, S6, 20), ping6(S6, GW6, 20, reply=True), udp6(GW6, 5000, S6, 53), udp6(IN6_GW, 5001, S6, 53))
    s.note("an error about the router's own flow; about none")
    s.put(error6(HOP, GW6, ICMPv6TimeExceeded(), udp6(GW6, 5000, S6, 53)), error6(HOP, GW6, ICMPv6TimeExceeded(), udp6(GW6, 1, S6, 53)))
    s.note("the routers' anycast address of a network")
    s.put(ping6(A6, "fd00:1::", 30))


@scenario("ipv6-log", kmsg=True)
def logs(s):
    """LOG lines of IPv6: every upper layer, options, extension headers, errors and what they quote."""
    six(s, table("mangle", "-A PREROUTING -p tcp -j MARK --set-xmark 0x2a/0xffffffff"),
        table("filter", "-A FORWARD -p tcp -j LOG --log-prefix \"t: \" --log-tcp-sequence --log-tcp-options --log-ip-options",
              "-A FORWARD -p udp -m udp --dport 9 -j LOG --log-ip-options", "-A FORWARD ! -p tcp -j LOG --log-prefix \"f: \"",
              "-A INPUT -j LOG --log-prefix \"in: \"", "-A OUTPUT -j LOG --log-prefix \"out: \""))
    s.note("TCP with options, mark; UDP; ping; unknown protocol")
    s.put(tcp6(A6, 6000, S6, 80, options=[("MSS", 1440), ("SAckOK", b"")], tc=0x28, fl=0x12345), udp6(A6, 5000, S6, 53), ping6(A6, S6),
          E6() / IPv6(src=A6, dst=S6, nh=99) / Raw(b"99"))
    s.note("errors")
    about = udp6(A6, 5000, S6, 53)
    s.put(error6(HOP, A6, ICMPv6DestUnreach(code=4), about), error6(HOP, A6, ICMPv6PacketTooBig(mtu=1400), about),
          error6(HOP, A6, ICMPv6TimeExceeded(), about), error6(HOP, A6, ICMPv6ParamProblem(code=1, ptr=40), about))
    s.note("extension headers, told and not")
    hop, pad = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0\0\0\0")]), IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0\0\0\0")])
    s.put(E6() / IPv6(src=A6, dst=S6) / hop / pad / UDP(sport=5001, dport=9) / Raw(b"d"),
          E6() / IPv6(src=A6, dst=S6) / pad / TCP(sport=5002, dport=9),
          E6() / IPv6(src=A6, dst=S6) / AH(nh=17, payloadlen=4, spi=7, seq=1, icv=b"0123456789ab") / UDP(sport=5001, dport=9) / Raw(b"d"),
          E6() / IPv6(src=A6, dst=S6) / ESP(spi=5, seq=1, data=b"encrypted"),
          E6() / IPv6(src=A6, dst=S6) / IPv6ExtHdrFragment(offset=0, m=0, id=7) / UDP(sport=5003, dport=9) / Raw(b"d"))
    s.note("in and out")
    s.put(udp6(A6, 5004, IN6_GW, 9))


@scenario("ipv6-untracked")
def untracked(s):
    """What the raw table says: NOTRACK, zones, marks of connections."""
    six(s, table("raw", "-A PREROUTING -p udp -m udp --dport 1 -j CT --notrack", "-A PREROUTING -p udp -m udp --dport 2 -j CT --zone 5",
                 "-A PREROUTING -p udp -m udp --sport 2 -j CT --zone 5"),
        table("mangle", "-A FORWARD -p udp -m udp --dport 3 -j CONNMARK --set-xmark 0x11/0xffffffff",
              "-A FORWARD -p udp -m udp --sport 3 -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff"),
        nat("-A POSTROUTING -o outside -j MASQUERADE"),
        table("filter", "-A FORWARD -m conntrack --ctstate UNTRACKED -p udp -m udp --dport 1 -j ACCEPT",
              "-A FORWARD -p udp -m conntrack --ctorigsrc fd00:1::/64 --ctorigdstport 3 -m mark --mark 0x11 -j ACCEPT",
              "-A FORWARD -p udp -m udp --sport 3 -j DROP"))
    s.note("untracked is not translated; a zone of its own, and its answer; a mark that the answer gets back")
    s.put(udp6(A6, 5000, S6, 1), udp6(A6, 5000, S6, 2), udp6(S6, 2, GW6, 5000), udp6(A6, 5000, S6, 3), udp6(S6, 3, GW6, 5000))


@scenario("ipv6-udp-timers")
def timers(s):
    """Timeouts: a UDP stream, an unanswered flow, ICMPv6 by its own sysctl."""
    six(s, nat("-A POSTROUTING -o outside -j MASQUERADE"))
    s.keys["sysctls"] = {"net.netfilter.nf_conntrack_icmpv6_timeout": 11}
    s.put(ping6(A6, S6), udp6(A6, 5000, S6, 53), udp6(S6, 53, GW6, 5000))
    s.step(sleep=2.2)
    s.note("a stream now; the ping is refreshed by its answer")
    s.put(udp6(A6, 5000, S6, 53), ping6(S6, GW6, reply=True))
    s.step(advance=12)
    s.note("the ping is forgotten: its answer comes too late")
    s.put(ping6(S6, GW6, reply=True), udp6(A6, 5001, S6, 53))
    s.step(advance=31)
    s.put(udp6(S6, 53, GW6, 5001))
