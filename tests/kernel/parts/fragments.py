"""Fragments: what goes together, what overlaps, how it leaves again, and what is told when the rest never comes."""
from parts.builder import A, B, E, GW, ICMP, IN_GW, IP, Raw, SRV, TCP, UDP, echo, masquerade, scenario, table


def whole(src, dst, size, sport=5000, dport=53, proto=17):
    """A transport packet of `size` bytes with its checksum right."""
    data = bytes(n & 0xFF for n in range(size - 8))
    layer = {17: UDP(sport=sport, dport=dport), 1: ICMP(type=8, id=sport), 6: TCP(sport=sport, dport=dport, seq=7)}[proto]
    if proto == 6:
        data = data[12:]
    return bytes((IP(src=src, dst=dst, proto=proto) / layer / Raw(data)))[20:]


def part(src, dst, ident, transport, start, end, more=None, flags=0, tos=0, options=(), proto=17, ttl=64):
    """The bytes from `start` to `end` of a datagram as a fragment."""
    more = end < len(transport) if more is None else more
    ip = IP(src=src, dst=dst, id=ident, proto=proto, frag=start // 8, flags=(1 if more else 0) | flags, tos=tos, ttl=ttl,
            options=list(options))
    return E() / ip / Raw(transport[start:end])


def player(s, part, src, dst, transport, ident):
    """Plays the pieces of one datagram after the other, each with an identification of its own, the next of `ident`; `part` makes a
    piece."""

    def play(*pieces, src=src, dst=dst, transport=transport, **keys):
        number = next(ident)
        for piece in pieces:
            start, end, *rest = piece
            s.put(part(src, dst, number, transport, start, end, *rest, **keys))

    return play


def orders_and_overlaps(s, play):
    """What both families have to take apart alike: orders, copies and overlaps of the pieces of 96 bytes."""
    s.note("in order, backwards, the middle last")
    play((0, 32), (32, 64), (64, 96))
    play((64, 96), (32, 64), (0, 32))
    play((0, 32), (64, 96), (32, 64))
    s.note("exact copies of the first, the middle, the last; of two in one; of a part")
    play((0, 32), (0, 32), (32, 64), (32, 64), (64, 96))
    play((0, 32), (32, 64), (0, 64), (64, 96))
    play((0, 64), (16, 48), (64, 96))
    play((64, 96), (64, 96), (0, 64))
    s.note("the copy of two that have come backwards is an overlap; what follows begins anew")
    play((32, 64), (0, 32), (0, 64), (64, 96), (0, 64))
    s.note("overlaps: at the front, at the back, over all, inside a gap")
    play((32, 64), (24, 40), (0, 32), (64, 96))
    play((32, 64), (56, 72), (0, 32), (64, 96))
    play((32, 64), (24, 72), (0, 32), (64, 96))
    play((0, 32), (64, 96), (24, 72), (32, 64))


@scenario("fragments-overlap")
def overlap(s):
    """Copies, overlaps and contradictions, in every order; runs of fragments; congestion marks; sizes that cannot be."""
    s.keys["iptables"] = masquerade()
    t = whole(A, SRV, 96)
    ident = iter(range(100, 10000))
    play = player(s, part, A, SRV, t, ident)
    orders_and_overlaps(s, play)
    s.note("two ends: an earlier one, a later one, data behind the end, an end before data")
    play((64, 96), (32, 64, False), (0, 32), (32, 64))
    play((32, 64, False), (64, 96), (0, 32))
    play((32, 64, False), (64, 96, True), (0, 32))
    play((64, 96, True), (32, 64, False), (0, 32))
    s.note("empty; not a multiple of 8: cut to one, so that a byte is missing")
    play((0, 32), (32, 32, True), (32, 64), (64, 96))
    play((0, 33), (32, 64), (64, 96))
    play((0, 7), (8, 96))
    s.note("congestion: one that saw it, all, and a sender that does not know")
    for marks in ((2, 3, 2), (1, 1, 3), (3, 3, 3), (1, 2, 2), (0, 0, 0), (0, 2, 2), (0, 3, 0)):
        number = next(ident)
        for mark, (start, end) in zip(marks, ((0, 32), (32, 64), (64, 96))):
            s.put(part(A, SRV, number, t, start, end, tos=0xB8 | mark))
    s.note("the same identification of another sender, receiver, protocol")
    number = next(ident)
    s.put(part(A, SRV, number, t, 0, 64), part(B, SRV, number, t, 64, 96), part(A, "198.51.100.8", number, t, 64, 96))
    s.put(part(A, SRV, number, whole(A, SRV, 96, proto=1), 64, 96, proto=1), part(A, SRV, number, t, 64, 96))
    s.note("longer than 65535 bytes together")
    big = bytes(65536)
    play((0, 1480, True), (65528, 65536, False), transport=big)
    s.note("a checksum that is wrong over the whole: INVALID, and out in fragments")
    broken = t[:40] + b"\xff\xee" + t[42:]
    play((0, 32), (32, 96), transport=broken)


@scenario("fragments-out")
def out(s):
    """How a datagram that was put together leaves: in its own fragments, in even ones, with DF, over a smaller link."""
    s.keys["outside"] = {"addrs": [f"{GW}/24"], "mtu": 600}
    s.keys["iptables"] = table("nat", "-A PREROUTING -p tcp --dport 99 -j DNAT --to-destination 198.51.100.8",
                               "-A POSTROUTING -o outside -s 192.168.1.10/32 -j MASQUERADE") + \
        table("filter", "-A FORWARD -s 192.168.1.10 -p udp --dport 54 -j REJECT")
    ident = iter(range(100, 10000))

    def play(src, transport, *edges, proto=17, dst=SRV, order=None, **keys):
        number = next(ident)
        pieces = list(zip(edges, edges[1:]))
        for index in order or range(len(pieces)):
            s.put(part(src, dst, number, transport, *pieces[index], proto=proto, **keys))

    t = whole(A, SRV, 400)
    u = whole(B, SRV, 400, sport=6000)
    s.note("translated and not: unequal pieces stay what they are; the first too short for the header")
    for src, transport in ((A, t), (B, u)):
        play(src, transport, 0, 40, 200, 400)
        play(src, transport, 0, 200, 400)
        play(src, transport, 0, 8, 16, 400)
        play(src, transport, 0, 200, 208, 400, order=(2, 1, 0))
    s.note("TCP: what is looked at of the header lies in one piece then")
    play(A, whole(A, SRV, 400, sport=7000, dport=80, proto=6), 0, 8, 16, 24, 400, proto=6)
    play(B, whole(B, SRV, 400, sport=7001, dport=80, proto=6), 0, 16, 200, 400, proto=6)
    play(B, whole(B, SRV, 400, sport=7002, dport=99, proto=6), 0, 24, 200, 400, proto=6)
    s.note("ICMP; a protocol that nobody knows")
    play(A, whole(A, SRV, 400, sport=7, proto=1), 0, 8, 200, 400, proto=1)
    play(B, u, 0, 16, 200, 400, proto=99)
    s.note("larger than the next link: even pieces")
    long = whole(B, SRV, 2000, sport=6001)
    play(B, long, 0, 1000, 2000)
    play(B, long, 0, 560, 1000, 2000)
    play(B, long, 0, 560, 1120, 1680, 2000)
    s.note("DF on the largest, on all, on a small one; and too large for the link")
    number = next(ident)
    s.put(part(B, SRV, number, u, 0, 200, flags=2), part(B, SRV, number, u, 200, 400))
    number = next(ident)
    s.put(part(B, SRV, number, u, 0, 200, flags=2), part(B, SRV, number, u, 200, 400, flags=2))
    number = next(ident)
    s.put(part(B, SRV, number, u, 0, 200), part(B, SRV, number, u, 200, 208, flags=2), part(B, SRV, number, u, 208, 400))
    number = next(ident)
    s.put(part(B, SRV, number, long, 0, 1000, flags=2), part(B, SRV, number, long, 1000, 2000, flags=2))
    s.note("options: those that are for all fragments, and those that are not; differing ones of later fragments")
    for options in (b"\x01\x01\x01\x00", b"\x94\x04\x00\x00"):
        number = next(ident)
        for start, end in ((0, 200), (200, 400)):
            raw = bytes(part(B, SRV, number, u, start, end))
            packet = IP(raw[14:])
            packet.ihl, packet.len, packet.chksum = 6, None, None
            body = bytes(packet[IP].payload)
            header = IP(src=B, dst=SRV, id=number, proto=17, frag=start // 8, flags=1 if end < 400 else 0, ihl=6,
                        len=24 + len(body))
            head = bytearray(bytes(header)[:20] + options)
            head[10:12] = b"\0\0"
            total = sum(int.from_bytes(head[n:n + 2], "big") for n in range(0, 24, 2))
            total = (total & 0xFFFF) + (total >> 16)
            head[10:12] = (0xFFFF - ((total & 0xFFFF) + (total >> 16))).to_bytes(2, "big")
            s.put(E() / Raw(bytes(head) + body))
            s.explicit[len(s.packets) - 1] = "inside"
    s.note("rejected: the error quotes the whole; TTL over; to the router: port unreachable, echo, a closed TCP port")
    play(A, whole(A, SRV, 400, sport=5001, dport=54), 0, 200, 400)
    play(A, t, 0, 200, 400, ttl=1)
    play(A, whole(A, IN_GW, 400, dport=9), 0, 200, 400, dst=IN_GW)
    play(A, whole(A, IN_GW, 1400, sport=8, proto=1), 0, 800, 1400, dst=IN_GW, proto=1)
    play(A, whole(A, IN_GW, 100, dport=81, proto=6), 0, 16, 100, dst=IN_GW, proto=6)
    s.note("of the router itself: put together in OUTPUT, cut again")
    own = whole(GW, SRV, 400, sport=9000)
    play(GW, own, 0, 200, 400)


@scenario("fragments-time")
def time(s):
    """The rest never comes: the receiver's error when the first is there; a sender that has moved on; none at all."""
    s.keys["iptables"] = table("filter", "-A FORWARD -p udp --dport 1 -j DROP")
    s.keys["sysctls"] = {"net.ipv4.ipfrag_time": 1, "net.ipv4.ipfrag_max_dist": 4}
    t, own = whole(A, SRV, 96), whole(A, IN_GW, 96)
    s.note("for the router: with its first fragment, without; passing through: nobody is told")
    s.put(part(A, IN_GW, 1, own, 0, 32), part(A, IN_GW, 2, own, 32, 64), part(A, SRV, 3, t, 0, 32))
    s.step(sleep=1.6)
    s.note("INVALID, as the error is that comes out with it")
    s.put(echo(A, SRV, 9, reply=True))
    s.put(part(A, IN_GW, 1, own, 32, 96), part(A, SRV, 3, t, 32, 96))
    s.step(sleep=1.6)
    s.note("four others in between are not too many, five are: it begins anew")
    s.put(part(A, SRV, 10, t, 0, 32))
    s.put(*[part(A, SRV, 11 + n, t, 0, 32) for n in range(3)])
    s.put(part(A, SRV, 10, t, 32, 96))
    s.put(part(A, SRV, 20, t, 0, 32))
    s.put(*[part(A, SRV, 21 + n, t, 0, 32) for n in range(4)])
    s.put(part(A, SRV, 20, t, 32, 96), part(A, SRV, 20, t, 0, 32))
    s.note("others' fragments do not count")
    s.put(part(A, SRV, 30, t, 0, 32))
    s.put(*[part(B, SRV, 31 + n, t, 0, 32) for n in range(6)])
    s.put(part(A, SRV, 30, t, 32, 96))
    s.step(sleep=1.6, sysctl={"net.ipv4.ipfrag_low_thresh": 0, "net.ipv4.ipfrag_high_thresh": 0})
    s.note("no memory for fragments")
    s.put(part(A, SRV, 40, t, 0, 32), part(A, SRV, 40, t, 32, 96))
