"""What random rules and packets have found: each was a difference once."""
from parts.builder import A, A6, B6, E, E6, GW, GW6, IN6_GW, IN_GW, IP, IPv6, Raw, S6, SRV, TCP, UDP, echo, icmp, scenario, table, tcp, udp
from parts.fragments6 import part as part6, whole as whole6
from parts.ipv6 import HOP, error6, ping6, six, tcp6, udp6
from scapy.all import (Ether, ICMP, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig, ICMPv6ParamProblem,
                       ICMPv6TimeExceeded, ICMPv6Unknown, IPv6ExtHdrFragment, fragment, in6_chksum)


@scenario("rules-sets-short")
def short(s):
    """A set that holds ports wants a whole header: 20 bytes of TCP, 12 of SCTP, 8 of the others, fewer of nothing else."""
    s.keys["setup"] = ["ipset create seen hash:ip,port,ip counters"]
    s.keys["iptables"] = table("raw", "-A PREROUTING -m set --match-set seen src,dst,dst -j NOTRACK") + \
        table("filter", "-A FORWARD -j SET --add-set seen src,dst,dst --exist")
    whole = {6: bytes(tcp(A, 5000, SRV, 80)[TCP]), 17: bytes(udp(A, 5000, SRV, 80, b"")[UDP]), 136: bytes(udp(A, 5000, SRV, 80, b"")[UDP]),
             132: bytes.fromhex("138800500000000112345678") + bytes(4), 1: bytes(echo(A, SRV, 7, data=b"")[ICMP]), 47: bytes(8), 99: bytes(4)}
    for protocol, header in whole.items():
        for length in sorted({0, 2, 4, 7, 8, 11, 12, 13, 19, 20} & set(range(len(header) + 1))):
            for _ in range(2):
                s.put(E() / IP(src=A, dst=SRV, proto=protocol) / Raw(header[:length]))


@scenario("ipv6-rules-sets-types")
def types(s):
    """What names in a set of IPv6 stand for: types of ICMPv6, whose numbers are not those of ICMP."""
    names = ["echo-request", "pong", "no-route", "port-unreachable", "packet-too-big", "ttl-zero-during-reassembly", "unknown-option", "redirect"]
    s.keys["setup"] = ["ipset create s hash:ip,port family inet6"] + [f"ipset add s {S6},icmpv6:{name}" for name in names] + [
        "ipset create n hash:net,port family inet6", "ipset add n fd00:1::/64,58:8/0", "ipset add n fd00:1::/64,ipv6-icmp:128/1"]
    six(s, table("raw", "-A PREROUTING -j CT --notrack"),
        table("filter", "-A FORWARD -m set --match-set s dst,dst -j DROP", "-A FORWARD -m set --match-set n src,src -j DROP"))
    for kind, code in ((128, 0), (128, 1), (129, 0), (129, 1), (8, 0), (8, 1), (0, 0), (137, 0), (5, 0)):
        s.put(E6() / IPv6(src=A6, dst=S6) / ICMPv6Unknown(type=kind, code=code, msgbody=bytes(8)))
    asked = udp6(S6, 53, A6, 5000)[IPv6]
    for message in (*[ICMPv6DestUnreach(code=code) for code in range(5)], ICMPv6PacketTooBig(mtu=1280), ICMPv6TimeExceeded(code=0),
                    ICMPv6TimeExceeded(code=1), *[ICMPv6ParamProblem(code=code) for code in range(3)]):
        s.put(error6(A6, S6, message, asked))


@scenario("rules-sets-families")
def families(s):
    """Rules of either family may ask sets of ports and lists of sets, whatever sets these hold: one of the other family holds nobody."""
    s.keys["inside"]["addrs"].append(f"{IN6_GW}/64")
    s.keys["outside"]["addrs"].append(f"{GW6}/64")
    s.keys["routes"] = [{"dst": "default", "via": "203.0.113.254", "dev": "outside"}, {"dst": "default", "via": "2001:db8:1::fe", "dev": "outside"}]
    s.keys["setup"] = [
        "ipset create ports bitmap:port range 1-100", "ipset add ports 7",
        "ipset create v4 hash:net", "ipset add v4 192.168.1.0/24", "ipset create v6 hash:net family inet6", "ipset add v6 fd00:1::/64",
        "ipset create only4 list:set", "ipset add only4 v4", "ipset create only6 list:set", "ipset add only6 v6",
        "ipset create both list:set", "ipset add both v6", "ipset add both v4"]
    rules = ["-A FORWARD -p udp -m udp --dport 7 -m set ! --match-set ports dst", "-A FORWARD -m set --match-set ports dst"]
    rules += [f"-A FORWARD -m set {no}--match-set {name} src" for name in ("only4", "only6", "both") for no in ("", "! ")]
    for key in ("iptables", "ip6tables"):
        s.keys[key] = table("filter", *rules, "-A FORWARD -p udp -m udp --dport 8 -j SET --add-set both src",
                            "-A FORWARD -p udp -m udp --dport 9 -j SET --del-set both dst")
    for port in (7, 8, 9, 7):
        s.put(udp(A, 5000, SRV, port), udp6(A6, 5000, S6, port), udp(SRV, 5001, A, port), udp6(S6, 5001, A6, port))


REFUSED = ["-A OUTPUT -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset", "-A OUTPUT -p udp -m udp --dport 53 -j REJECT",
           "-A OUTPUT -p icmp -d 198.51.100.9/32 -j REJECT --reject-with icmp-host-prohibited"]


@scenario("local-refused")
def refused(s):
    """What answers a packet of the router that goes nowhere belongs to that packet's connection, which is never in the table."""
    s.keys["iptables"] = table(
        "mangle", "-A PREROUTING -m connmark --mark 0x0 -j MARK --set-xmark 0x1/0xffffffff",
        "-A PREROUTING -m conntrack ! --ctreplsrc 192.168.1.20 -j CONNMARK --set-xmark 0x5/0xffffffff",
        "-A PREROUTING -m connmark ! --mark 0x7", "-A INPUT -m connmark --mark 0x5"
    ) + table("filter", *REFUSED, "-A INPUT -m conntrack --ctdir REPLY", "-A INPUT -m conntrack --ctstate RELATED",
              "-A INPUT -m conntrack ! --ctstatus NONE", "-A INPUT -m conntrack --ctrepldst 203.0.113.1",
              "-A INPUT -p tcp -m tcp --sport 80 -m conntrack ! --ctrepldst 203.0.113.9 -j REJECT --reject-with icmp-net-unreachable")
    for n in range(2):
        s.put(tcp(GW, 5000 + n, SRV, 80), tcp(IN_GW, 5100 + n, SRV, 80, "A", 5, 6), udp(GW, 5200 + n, SRV, 53), udp(IN_GW, 5300, A, 53),
              echo(GW, "198.51.100.9", 7 + n))
    s.note("one that stands in the table")
    s.put(udp(A, 6000, IN_GW, 9), udp(SRV, 53, GW, 6001), udp(GW, 6001, SRV, 53))


@scenario("local-pieces-refused")
def pieces(s):
    """Datagrams of the router that are refused as a whole, and what is too long to be sent behind one that came in pieces."""
    s.keys["outside"] = {"addrs": [f"{GW}/24"], "mtu": 600}
    s.keys["iptables"] = table("filter", "-A OUTPUT -p udp -m udp --dport 53 -j REJECT", "-A OUTPUT -p icmp -j REJECT")
    for packet in (udp(GW, 5000, SRV, 53, bytes(100)), udp(GW, 5000, SRV, 54, bytes(100)), echo(IN_GW, A, 5, data=bytes(60))):
        s.put(*fragment(packet, 40))
    s.note("a datagram from outside, and then what the router cannot send")
    s.put(*fragment(tcp(SRV, 5001, A, 81, data=bytes(40)), 32))
    s.put(echo(GW, SRV, 6, data=bytes(700)), tcp(GW, 7, SRV, 80, "A", 5, 6, bytes(900)), udp(GW, 9, SRV, 9, bytes(573)))


@scenario("answers-empty")
def empty(s):
    """REJECT sums what follows the header of ICMP and of a protocol it does not know: nothing, and zeros, are right."""
    s.keys["iptables"] = table("filter", "-A FORWARD -j REJECT --reject-with icmp-net-unreachable")
    for data in (b"", bytes(1), bytes(8), b"\xff\xff", b"\xff\xff\x00\x00", b"\x00\x01", b"\xff"):
        s.put(E() / IP(src=SRV, dst=A, proto=99) / Raw(data), E() / IP(src=A, dst=SRV, proto=253) / Raw(data))
    for data in (b"", bytes(1), bytes(2), bytes(7), bytes(8), bytes(30), b"\x00\x00\xff\xff", b"\x00\x00\x00\x01", b"\x08"):
        s.put(E() / IP(src=A, dst=SRV, proto=1) / Raw(data))


@scenario("answers-short-ipv6")
def short6(s):
    """REJECT answers a message of ICMPv6 however short it is, when it is no error and its checksum is right."""
    six(s, table("filter", "-A FORWARD -j REJECT --reject-with icmp6-adm-prohibited"))
    for kind in (0x80, 0x81, 0xff, 0x01, 0x7f):
        for length in (1, 2, 4, 5, 7, 8):
            head = IPv6(src=A6, dst=S6, nh=58)
            data = (bytes([kind]) + bytes(7))[:length]
            if length >= 4:
                data = data[:2] + in6_chksum(58, head, data).to_bytes(2, "big") + data[4:]
            s.put(E6() / head / Raw(data))


@scenario("hashlimit-ports-ipv6")
def portless6(s):
    """hashlimit by ports drops what ends with no next header, but not what only lacks ports or whose headers are longer than it."""
    each = "-A FORWARD -m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 50 --hashlimit-mode {0} --hashlimit-name {0}"
    six(s, table("filter", each.format("srcip"), each.format("dstport"), each.format("srcport")))
    head = IPv6(src=A6, dst=S6)
    options = bytes([99, 0, 1, 4, 0, 0, 0, 0])
    s.put(udp6(A6, 5000, S6, 53), E6() / IPv6(src=A6, dst=S6, nh=99) / Raw(bytes(8)), E6() / IPv6(src=A6, dst=S6, nh=59),
          E6() / IPv6(src=A6, dst=S6, nh=59) / Raw(bytes(8)), E6() / IPv6(src=A6, dst=S6, nh=60) / Raw(options),
          E6() / IPv6(src=A6, dst=S6, nh=60) / Raw(bytes([59]) + options[1:]),
          E6() / IPv6(src=A6, dst=S6, nh=60) / Raw(bytes([99, 1]) + options[2:]),
          E6() / head / IPv6ExtHdrFragment(nh=59, offset=3, m=0, id=7) / Raw(bytes(8)))


@scenario("ipv6-damage-undone")
def undone(s):
    """A rule that changes the hop limit by as much as a packet's bytes are wrong by makes it whole for who sums up all of it."""
    six(s, table("mangle", "-A PREROUTING -j HL --hl-dec 1"))
    for size in (10, 100):
        for packet in (ping6(S6, GW6, data=bytes([1] * size)), udp6(S6, 5000, GW6, 9, bytes([1] * size)), tcp6(S6, 5000, GW6, 9, "A", 7, 8, bytes([1] * size))):
            for place, by in ((-1, 0), (-1, -1), (-2, -1), (-1, 1)):
                frame = bytearray(bytes(packet))
                frame[place] += by
                s.put(Ether(bytes(frame)))


@scenario("rules-security")
def security(s):
    """The security table is asked behind filter, at INPUT before sources are translated, and of what filter drops never."""
    s.keys["iptables"] = table("filter", "-A FORWARD -p udp -m udp --dport 1 -j DROP", "-A OUTPUT -j MARK --set-xmark 0x1/0xffffffff") + \
        table("nat", "-A POSTROUTING -o outside -j MASQUERADE", "-A INPUT -p udp -m udp --dport 7 -j SNAT --to-source 192.168.1.9") + \
        table("security", "-A INPUT -s 192.168.1.9/32", "-A INPUT -p udp -m udp --dport 7 -j LOG --log-prefix \"in \"",
              "-A INPUT -p udp -m udp --dport 8 -j DROP", "-A FORWARD -p udp -m udp --dport 1 -j LOG",
              "-A FORWARD -p udp -m udp --dport 2 -j DROP", "-A FORWARD -m conntrack --ctstate ESTABLISHED", "-A FORWARD -s 203.0.113.1/32",
              "-A OUTPUT -m mark --mark 0x1", "-A OUTPUT -p icmp -m icmp --icmp-type 0 -j DROP")
    for port in (1, 2, 3):
        s.put(udp(A, 5000 + port, SRV, port))
    s.put(udp(SRV, 3, GW, 5003), udp(A, 6000, IN_GW, 7), udp(A, 6001, IN_GW, 8), udp(A, 6002, IN_GW, 9), echo(A, IN_GW, 5), udp(GW, 9000, SRV, 53))


LAID = "-A PREROUTING -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1000"


@scenario("tcpmss-pieces")
def mss(s):
    """What TCPMSS has looked at lies in one piece, which shows when it is cut again; what it was not asked about leaves as it came."""
    s.keys["iptables"] = table("mangle", LAID)
    for n, flags in enumerate(("S", "S", "A")):
        options = [("MSS", 1460)] if n == 0 else []
        s.put(*fragment(tcp(A, 5000 + n, SRV, 80, flags, 7, 8, bytes(1900), options=options, ident=50 + n), 400))


@scenario("tcpmss-pieces-ipv6")
def mss6(s):
    """The same over IPv6."""
    six(s, table("mangle", LAID))
    for n, flags in enumerate(("S", "S", "A")):
        options = [("MSS", 1460)] if n == 0 else []
        t, nh = whole6(A6, S6, 1904, TCP(sport=5000 + n, dport=80, flags=flags, seq=7, ack=8, options=options))
        s.put(*(part6(A6, S6, 50 + n, t, start, min(start + 400, 1904), nh=nh) for start in range(0, 1904, 400)))


@scenario("ipv6-path-mtu-local")
def path_mtu_of_own(s):
    """What a router tells of the way of a message of this host holds for what comes whole out of a raw socket, too."""
    six(s)
    messages = [ping6(GW6, A6, data=bytes(size)) for size in (1300, 1352, 1353, 1400)]
    s.put(*messages)
    s.put(error6(HOP, GW6, ICMPv6PacketTooBig(mtu=1400), ping6(GW6, A6, data=b"")), *messages, udp6(GW6, 9, A6, 9, bytes(1352)),
          udp6(GW6, 9, A6, 9, bytes(1353)), ping6(GW6, B6, data=bytes(1400)))


@scenario("ipv6-path-mtu")
def path_mtu(s):
    """An error about a message of ICMPv6 is believed though nobody has sent it, and holds for what passes through."""
    six(s)
    about = IPv6(src=IN6_GW, dst=A6) / ICMPv6EchoRequest(id=6000, data=bytes(1300))
    large = [udp6(S6, 53, A6, 5000, bytes(1380)), tcp6(S6, 80, A6, 5000, "A", 7, 8, bytes(1400)), ping6(S6, A6, data=bytes(1400))]
    s.note("before")
    s.put(*large, udp6(S6, 53, B6, 5000, bytes(1400)))
    s.note("an echo request, an answer, for another host, one that is too small to be believed, one larger again")
    s.put(error6(HOP, IN6_GW, ICMPv6PacketTooBig(mtu=1400), about), *large, udp6(S6, 53, B6, 5000, bytes(1400)))
    about = IPv6(src=IN6_GW, dst=B6) / ICMPv6EchoReply(id=6000, data=bytes(1300))
    s.put(error6(HOP, IN6_GW, ICMPv6PacketTooBig(mtu=1300), about), udp6(S6, 53, B6, 5000, bytes(1400)), udp6(S6, 53, B6, 5000, bytes(1200)))
    s.put(error6(HOP, IN6_GW, ICMPv6PacketTooBig(mtu=1450), about), udp6(S6, 53, B6, 5000, bytes(1380)))
    s.put(error6(HOP, IN6_GW, ICMPv6PacketTooBig(mtu=600), about), udp6(S6, 53, B6, 5000, bytes(1200)), udp6(S6, 53, B6, 5000, bytes(1240)))
    s.note("in pieces")
    for size in (1300, 1420):
        for offset, more, data in ((0, 1, bytes(size - size % 8)), ((size - size % 8) // 8, 0, bytes(100))):
            s.put(E6() / IPv6(src=S6, dst=A6) / IPv6ExtHdrFragment(nh=99, offset=offset, m=more, id=size) / Raw(data))
    s.note("about a datagram that no socket has sent")
    s.put(error6(HOP, GW6, ICMPv6PacketTooBig(mtu=1280), udp6(GW6, 9, S6, 9, bytes(1300))), udp6(A6, 5000, S6, 53, bytes(1400)))


@scenario("path-mtu-told")
def told(s):
    """Over IPv4 an error about an answer to an echo request is believed, one about a request is not; others' packets pass."""
    answer = IP(src=GW, dst=SRV, id=1) / ICMP(type=0, id=5) / Raw(bytes(700))
    request = IP(src=GW, dst="198.51.100.9", id=1) / ICMP(type=8, id=5) / Raw(bytes(700))
    for about in (answer, request):
        message = icmp("203.0.113.77", GW, 3, 4, about)
        message[ICMP].nexthopmtu = 600
        s.put(message)
    for server in (SRV, "198.51.100.9"):
        s.put(udp(A, 5000, server, 53, bytes(900)), echo(server, GW, 7, data=bytes(900)))


@scenario("ipv6-reset-quoted")
def quoted(s):
    """A reset of the router that a rule refuses is quoted as it was: over IPv6 the device would have summed it."""
    six(s, table("filter", f"-A OUTPUT -p tcp -d {S6}/128 -j REJECT --reject-with icmp6-adm-prohibited"))
    s.put(tcp6(S6, 81, GW6, 511), tcp6(S6, 82, GW6, 511, "A", 5, 6), tcp6(A6, 82, GW6, 511))


@scenario("errors-short-quoted")
def short_quoted(s):
    """Of a quoted header any length is believed, also one that is none: what follows is looked for inside of it."""
    gre = E() / IP(src=A, dst=SRV, proto=47) / Raw(bytes(range(8)))
    s.put(gre, udp(A, 5000, SRV, 53))
    for words in range(6):
        for quoted in (gre, udp(A, 5000, SRV, 53)):
            whole = bytearray(bytes(quoted[IP]))
            whole[0] = 0x40 + words
            s.put(icmp(SRV, A, 3, 1, bytes(whole[:28])), icmp(A, SRV, 3, 1, bytes(whole[:28])))


@scenario("ipv6-reset-told")
def reset_told(s):
    """A reset of the router that a rule refuses, in answer to a translated flow: who is told is the flow's other end, outside."""
    six(s, table("nat", "-A POSTROUTING -o inside -j MASQUERADE"),
        table("filter", "-A OUTPUT -o inside -p tcp -j REJECT --reject-with icmp6-adm-prohibited"))
    for n in range(2):
        s.put(tcp6(S6, 6000 + n, A6, 80, "S", 100), tcp6(A6, 80, IN6_GW, 6000 + n, "FA", 5, 9000))


@scenario("rules-unreached-ipv6")
def unreached(s):
    """A rule that asks for a protocol, any, drops what has no way to one; a rule for other addresses or devices does not ask."""
    kinds = {60: (0, 1, 2, 8), 43: (0, 1, 2, 3, 4, 8), 51: (1, 2, 8)}
    asked = ["-p udp", "! -p udp", "-p ipv6-opts", "! -p ipv6-route", "-i outside -p udp", "-o outside -p tcp", "! -i inside -p tcp",
             "-d 2001:db8:9::/64 -p udp", "! -d 2001:db8:9::/64 -p udp", "-p tcp -m tcp --dport 80", "-m length --length 0:2000",
             "-m state --state NEW,ESTABLISHED"]
    hosts = [f"fd00:1::{n + 0x100:x}" for n in range(len(asked) + 1)]
    six(s, table("raw", f"-A PREROUTING -s {hosts[-1]}/128 -p udp", f"-A PREROUTING -s {hosts[-1]}/128"),
        table("filter", *[f"-A FORWARD -s {host}/128 {rule}" for host, rule in zip(hosts, asked)], "-A FORWARD"))
    for host in hosts:
        s.note(host)
        for kind, lengths in kinds.items():
            for length in lengths:
                s.put(E6() / IPv6(src=host, dst=S6, nh=kind) / Raw(bytes([17, 0, 0, 0, 0, 0, 0, 0])[:length]))
        s.put(E6() / IPv6(src=host, dst=S6, nh=60) / Raw(bytes([43, 0, 1, 4, 0, 0, 0, 0, 17, 0])),
              E6() / IPv6(src=host, dst=S6, nh=60) / Raw(bytes([60, 0, 1, 4, 0, 0, 0, 0, 17])),
              E6() / IPv6(src=host, dst=S6, nh=60) / Raw(bytes([59, 0, 1, 4, 0, 0, 0, 0])),
              E6() / IPv6(src=host, dst=S6, nh=17) / Raw(b""), udp6(host, 5000, S6, 53))


@scenario("rules-protocol-all-ipv6")
def protocol_all(s):
    """`-p all` asks for a protocol, whichever, by any of its names: it drops what has no way to one, where a rule without it does not."""
    asked = ["-p all", "-p 0", "-p hopopt -m length --length 0:2000", "-o outside -p all", "-i outside -p all",
             "-d 2001:db8:9::/64 -p all", "-m length --length 0:2000"]
    hosts = [f"fd00:1::{n + 0x100:x}" for n in range(len(asked))]
    six(s, table("filter", *[f"-A FORWARD -s {host}/128 {rule}" for host, rule in zip(hosts, asked)], "-A FORWARD"))
    for host in hosts:
        s.note(host)
        s.put(E6() / IPv6(src=host, dst=S6, nh=60) / Raw(bytes([17, 0, 0, 0, 0, 0, 0, 0])[:2]),
              E6() / IPv6(src=host, dst=S6, nh=60) / Raw(bytes([43, 0, 1, 4, 0, 0, 0, 0, 17, 0])),
              E6() / IPv6(src=host, dst=S6, nh=51) / Raw(bytes([17])),
              E6() / IPv6(src=host, dst=S6, nh=60) / Raw(bytes([59, 0, 1, 4, 0, 0, 0, 0])),
              E6() / IPv6(src=host, dst=S6, nh=17) / Raw(b""), udp6(host, 5000, S6, 53), ping6(host, S6, 7))


@scenario("rules-recent-bounds")
def recent(s):
    """As many sightings as are asked for are kept, beyond 255; seconds are counted in 32 bits of ticks, and begin anew beyond 198 days."""
    ages = (17_179_868, 17_179_869, 17_179_870, 17_179_880, 34_359_739, 2_147_483_648, 4_294_967_295)
    s.keys["iptables"] = table("raw", "-A PREROUTING -j NOTRACK") + table(
        "filter", "-A FORWARD -p udp -m udp --dport 1 -m recent --set --name seen", "-A FORWARD -p udp -m udp --dport 3 -m recent --set --name many",
        *[f"-A FORWARD -p udp -m udp --dport 2 -m recent --rcheck --seconds {age} --name seen" for age in ages],
        *[f"-A FORWARD -p udp -m udp --dport 3 -m recent --rcheck --hitcount {hits} --name many" for hits in (255, 256, 257, 300, 65_535)])
    s.put(udp(A, 5000, SRV, 1), udp(A, 5000, SRV, 2))
    for _ in range(303):
        s.put(udp(A, 5000, SRV, 3))
    s.step(sleep=2)
    s.put(udp(A, 5000, SRV, 2))


@scenario("events-untold")
def untold(s):
    """Without nf_conntrack_events only those connections tell that a rule has said so of, and it is their beginning that counts."""
    s.keys["iptables"] = table("raw", "-A PREROUTING -p udp -m udp --dport 7 -j CT --ctevents new,destroy",
                               "-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp",
                               "-A PREROUTING -p tcp -m tcp --dport 2121 -j CT --helper ftp --expevents new")
    s.keys["sysctls"] = {"net.netfilter.nf_conntrack_events": 0,
                         "net.netfilter.nf_conntrack_log_invalid": 255}
    for events in (0, 1):
        s.step(sysctl={"net.netfilter.nf_conntrack_events": events})
        for port in (7, 9):
            s.put(udp(A, 5000 + events, SRV, port), udp(SRV, port, A, 5000 + events))
        for port in (21, 2121):
            flow = s.flow(A, 5000 + events + port, SRV, port)
            flow.open()
            flow.c2s("PA", b"USER me\r\n")
            flow.c2s("PA", b"PORT 192,168,1,10,19,%d\r\n" % (events + 7))
        s.put(udp(A, 5000, SRV, 9), udp(SRV, 9, A, 5000))
    s.step(flush=True)
    s.put(udp(A, 5002, SRV, 9))
