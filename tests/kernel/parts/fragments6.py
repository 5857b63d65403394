"""Fragments of IPv6: what goes together, what overlaps, how it leaves again, what is told of what cannot be put together."""
from parts.builder import A6, B6, E6, GW6, IN6_GW, IPv6, Raw, S6, TCP, UDP, scenario, table
from parts.fragments import orders_and_overlaps, player
from parts.ipv6 import error6, nat, ping6, six, udp6
from scapy.all import (AH, ICMPv6DestUnreach, ICMPv6EchoRequest, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                       IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN)

S7 = "2001:db8:2::8"
HOP, PAD = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0\0\0\0")]), IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0\0\0\0")])
ROUTE = IPv6ExtHdrRouting(addresses=["2001:db8:9::1"], segleft=0)


def whole(src, dst, size, upper=None, before=()):
    """An upper layer of `size` bytes behind extension headers, all of it right; and the number of what it starts with."""
    upper = upper or UDP(sport=5000, dport=53)
    extensions = IPv6(src=src, dst=dst)
    for header in before:
        extensions = extensions / header
    packet = extensions / upper
    fill = size - (len(packet) - 40)
    packet = packet / Raw(bytes(n & 0xFF for n in range(fill)))
    raw = bytes(packet)
    return raw[40:], raw[6]


def part(src, dst, ident, transport, start, end, more=None, unfragmented=(), nh=17, **ip):
    """The bytes from `start` to `end` of a packet as a fragment behind the headers `unfragmented`."""
    more = end < len(transport) if more is None else more
    packet = E6() / IPv6(src=src, dst=dst, **ip)
    for header in unfragmented:
        packet = packet / header
    return packet / IPv6ExtHdrFragment(id=ident, offset=start // 8, m=int(more), nh=nh) / Raw(transport[start:end])


@scenario("ipv6-fragments-overlap")
def overlap(s):
    """Copies, overlaps and contradictions, in every order; congestion marks; sizes that cannot be; chains that are cut."""
    six(s, nat("-A POSTROUTING -o outside -j MASQUERADE"))
    t, _ = whole(A6, S6, 96)
    ident = iter(range(100, 10000))
    play = player(s, part, A6, S6, t, ident)
    orders_and_overlaps(s, play)
    s.note("two ends: an earlier one, a later one, data behind the end, an end before data: only that fragment goes")
    play((64, 96), (32, 64, False), (0, 32), (32, 64))
    play((32, 64, False), (64, 96), (0, 32))
    play((32, 64, False), (64, 96, True), (0, 32))
    play((64, 96, True), (32, 64, False), (0, 32))
    s.note("empty, alone too; an empty end; not a multiple of 8: it goes on as it is and the rest is forgotten")
    play((0, 32), (32, 32, True), (32, 64), (64, 96))
    play((32, 32, True))
    play((0, 32), (32, 32, False), (32, 64))
    play((0, 32), (32, 33, True), (32, 64), (64, 96))
    play((0, 33, True), (32, 64), (64, 96))
    s.note("congestion: one that saw it, all, and a sender that does not know")
    for marks in ((2, 3, 2), (1, 1, 3), (3, 3, 3), (1, 2, 2), (0, 0, 0), (0, 2, 2), (0, 3, 0)):
        number = next(ident)
        for mark, (start, end) in zip(marks, ((0, 32), (32, 64), (64, 96))):
            s.put(part(A6, S6, number, t, start, end, tc=0xB8 | mark))
    s.note("the same identification of another sender, receiver, next header, device; another flow label and hop limit")
    number = next(ident)
    s.put(part(A6, S6, number, t, 0, 64, fl=5, hlim=9), part(B6, S6, number, t, 64, 96), part(A6, S7, number, t, 64, 96))
    s.put(part(A6, S6, number, t, 64, 96, fl=6, hlim=7, nh=6))
    number = next(ident)
    s.put(part(A6, S6, number, t, 0, 64))
    s.put(part(A6, S6, number, t, 64, 96), side="outside")
    s.put(part(A6, S6, number, t, 64, 96))
    s.note("longer than 65535 bytes: by itself; together")
    big = bytes(65544)
    play((65528, 65536, False), transport=big)
    play((65520, 65535, False), (0, 1024, True), transport=big)
    play((65520, 65528, True), transport=big)
    s.note("the first does not hold the upper layer's header: it goes on as it is, the rest waits")
    for upper, cut in ((UDP(sport=5000, dport=53), 0), (TCP(sport=5000, dport=80), 16), (ICMPv6EchoRequest(id=9), 0)):
        transport, nh = whole(A6, S6, 96, upper, (PAD,))
        play((0, 8 + cut), (8 + cut, 96), transport=transport, nh=nh)
        play((0, 32), (32, 96), transport=transport, nh=nh)
    s.note("an unknown upper layer, of which one byte is enough")
    play((0, 8), (8, 96), nh=99)
    transport, nh = whole(A6, S6, 96, UDP(sport=5000, dport=53), (PAD,))
    transport = bytes([99]) + transport[1:]
    play((0, 8), (8, 96), transport=transport, nh=nh)
    s.note("a checksum that is wrong over the whole: INVALID, and out as it is")
    broken = t[:40] + b"\xff\xee" + t[42:]
    play((0, 32), (32, 96), transport=broken)
    s.note("atomic: alone, beside others of the same identification, with reserved bits")
    play((0, 96))
    play((0, 32), (0, 96), (32, 96))
    number = next(ident)
    odd = part(A6, S6, number, t, 0, 96)
    odd[IPv6ExtHdrFragment].res1, odd[IPv6ExtHdrFragment].res2 = 0xAA, 3
    s.put(odd)
    s.note("a fragment of a fragment")
    inner = bytes([17, 0, 0, 1, 0, 0, 0, 77]) + t
    play((0, 56), (56, 104), transport=inner, nh=44)
    inner = bytes([17, 0, 0, 0, 0, 0, 0, 77]) + t
    play((0, 56), (56, 104), transport=inner, nh=44)
    s.note("without a length")
    bare = part(A6, S6, 9000, t, 0, 32)
    bare[IPv6].plen = 0
    s.put(bare)


@scenario("ipv6-fragments-out")
def out(s):
    """How a packet that was put together leaves: in its own fragments, in even ones, over a smaller link, with headers."""
    six(s, nat("-A PREROUTING -p tcp --dport 99 -j DNAT --to-destination 2001:db8:2::8", "-A POSTROUTING -o outside -s fd00:1::10/128 -j MASQUERADE"),
        table("filter", "-A FORWARD -s fd00:1::10/128 -p udp --dport 54 -j REJECT"), outside={"mtu": 1400})
    ident = iter(range(100, 10000))

    def play(src, made, *edges, dst=S6, order=None, **keys):
        transport, nh = made
        number = next(ident)
        pieces = list(zip(edges, edges[1:]))
        for index in order or range(len(pieces)):
            s.put(part(src, dst, number, transport, *pieces[index], nh=nh, **keys))

    t = whole(A6, S6, 400)
    u = whole(B6, S6, 400, UDP(sport=6000, dport=53))
    s.note("translated and not: unequal pieces stay what they are if they fit; smaller than the largest: whole")
    for src, made in ((A6, t), (B6, u)):
        play(src, made, 0, 40, 200, 400)
        play(src, made, 0, 200, 208, 400, order=(2, 1, 0))
    a, b = whole(A6, S6, 2000), whole(B6, S6, 2000, UDP(sport=6001, dport=53))
    for src, made in ((A6, a), (B6, b)):
        play(src, made, 0, 1000, 2000)
        play(src, made, 0, 1232, 2000)
        play(src, made, 0, 1280, 1984, 2000)
        play(src, made, 0, 8, 1208, 2000)
        play(src, made, 0, 800, 1600, 2000, order=(2, 0, 1))
    s.note("larger than the next link: too big")
    play(B6, b, 0, 1440, 2000)
    play(B6, b, 0, 1344, 2000)
    play(B6, b, 0, 1352, 2000)
    s.note("TCP, ping, a protocol that nobody knows")
    for sport, dport in ((7000, 80), (7001, 99)):
        play(A6, whole(A6, S6, 2000, TCP(sport=sport, dport=dport, seq=7)), 0, 24, 1000, 2000)
        play(B6, whole(B6, S6, 2000, TCP(sport=sport, dport=dport, seq=7)), 0, 1000, 2000)
    play(A6, whole(A6, S6, 2000, ICMPv6EchoRequest(id=7)), 0, 8, 1000, 2000)
    play(B6, (bytes(2000), 99), 0, 1000, 2000)
    s.note("headers before the fragment header, behind it, on both sides")
    for before, behind in (((HOP,), ()), ((), (PAD,)), ((HOP, PAD, ROUTE), (PAD,)), ((PAD,), ()), ((HOP,), (PAD,)), ((PAD, PAD), (PAD, PAD))):
        transport, nh = whole(B6, S6, 2000, UDP(sport=6003, dport=53), behind)
        nh = 60 if behind else 17
        play(B6, (transport, nh), 0, 1000, 2000, unfragmented=before)
        play(B6, (transport, nh), 0, 1232 - 8 * len(before), 2000, unfragmented=before)
        transport, nh = whole(A6, S6, 1500, UDP(sport=6004, dport=53), behind)
        play(A6, (transport, 60 if behind else 17), 0, 1000, 1500, unfragmented=before)
    s.note("headers of later fragments differ; authentication")
    transport, nh = u
    s.put(part(B6, S6, 9000, transport, 0, 200, unfragmented=(HOP,)), part(B6, S6, 9000, transport, 200, 400, unfragmented=(HOP, PAD, PAD)))
    long = whole(B6, S6, 2000, UDP(sport=6005, dport=53))[0]
    s.put(part(B6, S6, 9001, long, 0, 1000, unfragmented=(HOP,)), part(B6, S6, 9001, long, 1000, 2000))
    ah = bytes(AH(nh=17, payloadlen=4, spi=1, seq=1, icv=b"0123456789ab"))
    s.put(part(B6, S6, 9002, ah + long, 0, 1000, nh=51), part(B6, S6, 9002, ah + long, 1000, len(ah) + 2000, nh=51))
    s.note("rejected: the error quotes the whole; hop limit over")
    play(A6, whole(A6, S6, 400, UDP(sport=5001, dport=54)), 0, 200, 400)
    play(A6, whole(A6, S6, 2000, UDP(sport=5002, dport=54)), 0, 1000, 2000)
    play(A6, t, 0, 200, 400, hlim=1)
    s.note("to the router: port unreachable, echo, a closed TCP port")
    play(A6, whole(A6, IN6_GW, 400, UDP(sport=5003, dport=9)), 0, 200, 400, dst=IN6_GW)
    play(A6, whole(A6, IN6_GW, 1400, ICMPv6EchoRequest(id=8)), 0, 800, 1400, dst=IN6_GW)
    play(A6, whole(A6, IN6_GW, 1600, ICMPv6EchoRequest(id=9)), 0, 800, 1600, dst=IN6_GW)
    play(A6, whole(A6, IN6_GW, 100, TCP(sport=5004, dport=81)), 0, 24, 100, dst=IN6_GW)
    s.note("of the router itself: put together in OUTPUT, cut again")
    own = whole(GW6, S6, 400, UDP(sport=9000, dport=53))
    play(GW6, own, 0, 200, 400)
    play(GW6, whole(GW6, S6, 2000, UDP(sport=9001, dport=53)), 0, 1000, 2000)
    s.note("an error about a translated flow, in fragments")
    about = bytes(udp6(GW6, 5000, S6, 53, b"q" * 300)[IPv6])
    error = bytes(error6("2001:db8:1::77", GW6, ICMPv6DestUnreach(code=4), IPv6(about))[IPv6])[40:]
    s.put(part("2001:db8:1::77", GW6, 9003, error, 0, 200, nh=58), part("2001:db8:1::77", GW6, 9003, error, 200, len(error), nh=58))


@scenario("ipv6-fragments-told")
def told(s):
    """What is told of fragments: the rest never comes; headers that cannot be, at the router and in passing; no memory."""
    six(s, table("filter", "-A FORWARD -p udp -m udp --dport 1 -j DROP"))
    s.keys["sysctls"] = {"net.netfilter.nf_conntrack_frag6_timeout": 1}
    t, _ = whole(A6, S6, 96)
    own, _ = whole(A6, IN6_GW, 96)
    s.note("for the router and passing through: without the first nobody is told; with it, the sender is, at one time each")
    s.put(part(A6, IN6_GW, 2, own, 32, 64), part(A6, S6, 4, t, 32, 64), part(A6, IN6_GW, 1, own, 0, 32))
    s.step(sleep=1.8)
    s.note("INVALID, as the error is that comes out with it")
    s.put(ping6(A6, S6, 9, reply=True), part(A6, S6, 3, t, 0, 32))
    s.step(sleep=1.8)
    s.put(ping6(A6, S6, 9, reply=True), part(A6, S6, 5, t, 32, 64), part(A6, S6, 5, t, 0, 32, unfragmented=(HOP,)))
    s.step(sleep=1.8)
    s.put(ping6(A6, S6, 9, reply=True))
    s.note("it begins anew")
    s.put(part(A6, IN6_GW, 1, own, 32, 96), part(A6, S6, 3, t, 32, 96))
    s.step(sleep=1.8)
    s.put(ping6(A6, S6, 10, reply=True))
    s.note("an error is not told of; nor what is for a group")
    error = bytes(error6(A6, S6, ICMPv6DestUnreach(), udp6(S6, 1, A6, 1))[IPv6])[40:]
    s.put(part(A6, S6, 6, error, 0, 32, nh=58), part(A6, "ff05::99", 7, t, 0, 32))
    s.step(sleep=1.8)
    s.put(ping6(A6, S6, 11, reply=True))
    s.note("the router's own")
    s.put(part(GW6, S6, 8, whole(GW6, S6, 96)[0], 0, 32))
    s.step(sleep=1.8)
    s.put(ping6(A6, S6, 12, reply=True))
    s.note("for the router: not a multiple of 8, too long, a chain that is cut, no length; in passing nobody is told")
    bare = part(A6, IN6_GW, 14, own, 0, 32)
    bare[IPv6].plen = 0
    s.put(part(A6, IN6_GW, 10, own, 0, 33, True), part(A6, IN6_GW, 11, bytes(65536), 65528, 65536, False),
          part(A6, IN6_GW, 12, own, 0, 0, True), part(A6, IN6_GW, 13, own, 0, 1, True), part(A6, IN6_GW, 13, own, 0, 1, False), bare)
    s.put(part(A6, IN6_GW, 15, own, 0, 8, unfragmented=(HOP, PAD), nh=6), part(A6, IN6_GW, 16, own, 0, 33, True, unfragmented=(PAD,)),
          part(A6, IN6_GW, 17, bytes(65536), 65520, 65536, False, unfragmented=(HOP,)))
    s.put(part(A6, S6, 20, t, 0, 33, True), part(A6, S6, 21, bytes(65536), 65528, 65536, False), part(A6, S6, 22, t, 0, 8, nh=6))
    s.step(sysctl={"net.netfilter.nf_conntrack_frag6_low_thresh": 0, "net.netfilter.nf_conntrack_frag6_high_thresh": 0})
    s.note("no memory for fragments")
    s.put(part(A6, S6, 40, t, 0, 32), part(A6, S6, 40, t, 32, 96))


@scenario("ipv6-fragments-cut")
def headers_cut(s):
    """Fragment headers that the packet ends in. Four bytes say where a part begins: the first part goes on without being held, any other is
    dropped. A first part in which another part's header stands belongs to no connection. The hop limit of a packet says what it is asked."""
    asked = ["-p udp -m udp --dport 6", "-p udp", "! -p udp", "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 50 --hashlimit-mode srcip,dstport "
             "--hashlimit-name cut", "-m frag --fragid 9", "-m dst", "-m ipv6header --header frag --soft"]
    chains = [f"q{n}" for n in range(len(asked))]
    six(s, table("mangle", *[f"-A PREROUTING -m hl --hl-eq {10 + n} -j q{n}" for n in range(len(asked))],
                 *[f"-A q{n} {rule}" for n, rule in enumerate(asked)], chains=chains))
    ident = iter(range(100, 100000))

    def put(before, offset_more, upper, length, dst=S6, hlim=64):
        """A packet that ends so many bytes behind the start of its last fragment header."""
        first = {"alone": "", "atomic": "2c000000{:08x}", "first": "2c000001{:08x}", "options": "2c00010400000000"}[before]
        last = bytes([upper, 0]) + offset_more.to_bytes(2, "big") + next(ident).to_bytes(4, "big") + bytes.fromhex("1388003500108b2e") + bytes(8)
        s.put(E6() / IPv6(src=A6, dst=dst, nh=60 if before == "options" else 44, hlim=hlim)
              / Raw(bytes.fromhex(first.format(next(ident))) + last[:length]))

    for before in ("alone", "atomic", "first", "options"):
        for offset_more in (0, 1, 8):
            for dst in (S6, IN6_GW):
                s.note(f"{before}, {offset_more}, to {dst}")
                for upper in (17, 99, 58):
                    # Behind destination options, Linux reads what it has put together for the router at a wrong place.
                    for length in (3, 4, 7, 8) if before == "options" and dst == IN6_GW else (3, 4, 7, 8, 12):
                        put(before, offset_more, upper, length, dst)
    for n, rule in enumerate(asked):
        s.note(rule)
        for before in ("alone", "first", "options"):
            for offset_more in (0, 8):
                for upper in (17, 60):
                    for length in (3, 4, 7, 8, 16):
                        put(before, offset_more, upper, length, hlim=10 + n)
