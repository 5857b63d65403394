"""IPv6: options that routers and hosts read, hop by hop and at the destination (RFC 8200, section 4.2)."""
from parts.builder import A6, E6, IN6_GW, Raw, S6, UDP, scenario, table
from parts.ipv6 import ping6, six
from scapy.all import Ether, ICMPv6EchoRequest, IPv6

HOP_BY_HOP, ROUTING, FRAGMENT, AH, DESTINATION = 0, 43, 44, 51, 60
TELL, TELL_ONE = b"\x9e\x04abcd", b"\xde\x04abcd"
ALERT = b"\x05\x02\0\0"


def crc(data):
    """CRC-CCITT as CALIPSO has it (RFC 5570, section 5.1.6)."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x8408 if value & 1 else 0)
    return (value ^ 0xFFFF).to_bytes(2, "little")


def label(wrong=False, categories=b""):
    """A CALIPSO option."""
    start = bytes([7, 8 + len(categories)]) + b"\0\0\0\7" + bytes([len(categories) // 4, 3])
    return start + (b"xx" if wrong else crc(start + b"\0\0" + categories)) + categories


def header(following, *options, length=None):
    """An options header as long as its options are, which fill it."""
    body = b"".join(options)
    assert length is not None or len(body) % 8 == 6, len(body)
    return bytes([following, len(body) // 8 if length is None else length]) + body


def behind(first, *headers, src=A6, dst=S6, payload=None, frame=None, **ip):
    """UDP behind headers; `first` is the type of the first one."""
    payload = UDP(sport=5000, dport=53) / Raw(b"data") if payload is None else payload
    last = IPv6(src=src, dst=dst) / payload
    inner = bytes(last)[40:]
    return (frame or E6()) / IPv6(src=src, dst=dst, nh=first, **ip) / Raw(b"".join(headers) + inner)


def hops(*options, **keys):
    return behind(HOP_BY_HOP, header(17, *options), **keys)


def ends(*options, **keys):
    keys = {"dst": IN6_GW} | keys
    return behind(DESTINATION, header(17, *options), **keys)


@scenario("ipv6-options")
def options(s):
    """Hop-by-hop options of what passes through and of what is for the router."""
    six(s, table("filter", "-A FORWARD -p udp -j ACCEPT", "-A INPUT -p udp -j ACCEPT"))
    s.keys["sysctls"] = {"net.ipv6.icmp.ratelimit": 0}
    s.note("padding: zeros, seven bytes, eight, not of zeros; single bytes; both mixed; split by an option")
    s.put(hops(b"\1\4\0\0\0\0"), hops(b"\1\5" + bytes(5), b"\x1e\5abcde"), hops(b"\1\6" + bytes(6), b"\x1e\4abcd"),
          hops(b"\1\4\0\0\1\0"), hops(bytes(6)), hops(bytes(7), b"\x1e\5abcde"), hops(bytes(14)),
          hops(b"\1\2\0\0", bytes(3), b"\x1e\5abcde"), hops(b"\1\2\0\0", bytes(4), b"\x1e\4abcd"),
          hops(bytes(5), b"\x1e\0", bytes(7)))
    s.note("router alert: as it must be, anywhere, of another length, twice")
    s.put(hops(ALERT, bytes(2)), hops(b"\0", ALERT, b"\0"), hops(b"\5\4\0\0\0\0"), hops(b"\5\1\0", bytes(3)), hops(ALERT, ALERT, b"\1\4\0\0\0\0"))
    s.note("unknown options: skipped; dropped; told; told unless to a group; the second of two")
    s.put(hops(b"\x1e\4abcd"), hops(b"\x5e\4abcd"))
    s.put(hops(TELL), hops(TELL_ONE), hops(b"\x3e\4abcd", b"\0\0", TELL))
    s.note("an option that ends behind its header; a header longer than its packet, or than what is there")
    s.put(hops(b"\x1e\5abcd"), hops(b"\1\5\0\0\0\0"), hops(bytes(5), b"\x1e"), behind(HOP_BY_HOP, header(17, bytes(6), length=9)),
          E6() / IPv6(src=A6, dst=S6, nh=0) / Raw(b"\x11\0\0\0"), E6() / IPv6(src=A6, dst=S6, nh=0))
    s.note("jumbo payload: too small, beside a length, of another length, in another place; more than there is")
    s.put(hops(b"\xc2\4\0\0\xff\xff"), hops(b"\xc2\4\0\1\0\0"))
    s.put(hops(b"\xc2\3\0\1\0", b"\0"), hops(b"\0", b"\xc2\4\0\1\0\0", b"\1\5" + bytes(5)), hops(b"\xc2\4\0\1\0\0", plen=0))
    s.note("no length at all: the packet is what the frame holds")
    s.put(hops(bytes(6), plen=0), hops(bytes(6), plen=0, payload=UDP(sport=5000, dport=53) / Raw(b"l" * 40)))
    s.note("a label: right, with a wrong sum, too short, with categories, with more of them than it has bytes")
    s.put(hops(label(), b"\1\2\0\0"), hops(label(wrong=True), b"\1\2\0\0"), hops(b"\7\4abcd"), hops(label(categories=b"abcd")),
          hops(b"\7\x0c" + b"\0\0\0\7\4\3xxabcd"))
    s.note("in-situ OAM: in its place, in another")
    s.put(hops(b"\0\0", b"\x31\2\0\0"), hops(b"\x31\4\0\0\0\0"))
    s.note("eight options, nine, nine that are known; with padding between; other bounds")
    one = b"\x1e\0"
    s.put(hops(one * 8, b"\1\4\0\0\0\0"), hops(one * 9, b"\1\2\0\0"), hops(ALERT * 9, b"\0\0"),
          hops((b"\1\0" + one) * 8, b"\1\4\0\0\0\0"))
    s.step(sysctl={"net.ipv6.max_hbh_opts_number": 1})
    s.put(hops(one, b"\1\2\0\0"), hops(one * 3), ends(one * 3))
    s.step(sysctl={"net.ipv6.max_hbh_opts_number": 0})
    s.put(hops(one, b"\1\2\0\0"), hops(b"\1\4\0\0\0\0"))
    s.step(sysctl={"net.ipv6.max_hbh_opts_number": 8})
    s.step(sysctl={"net.ipv6.max_hbh_length": 15})
    s.put(hops(b"\x1e\4abcd"), hops(b"\x1e\x0c" + b"l" * 12))
    s.step(sysctl={"net.ipv6.max_hbh_length": 2147483647})
    s.note("who is told: of what is for the router, for a group, for everybody on the link, of an error, of pings, of nobody's")
    s.put(hops(TELL, dst=IN6_GW), hops(TELL, dst="ff02::1"), hops(TELL_ONE, dst="ff02::1"), hops(TELL_ONE, dst="ff0e::99"),
          behind(HOP_BY_HOP, header(58, TELL), payload=ICMPv6EchoRequest(id=3, seq=1)),
          behind(HOP_BY_HOP, header(58, TELL), payload=Raw(b"\1\4\0\0\0\0\0\0" + bytes(ping6(S6, A6))[14:])),
          hops(TELL, src="::"), hops(TELL, dst="2001:db8:1::fe"), hops(TELL, hlim=1), hops(b"\xc2\4\0\0\xff\xff", dst="ff02::1"))
    s.note("fragments are read one by one; the second one is told of, the first one waits in vain")
    whole = bytes(IPv6(src=A6, dst=S6) / UDP(sport=5001, dport=53) / Raw(b"f" * 24))[40:]
    first, last = b"\x11\0\0\1\0\0\0\7", b"\x11\0\0\x10\0\0\0\7"
    part = lambda head, data, *options: E6() / IPv6(src=A6, dst=S6, nh=0) / Raw(header(44, *options) + head + data)
    s.put(part(first, whole[:16], bytes(6)), part(last, whole[16:], TELL), part(last, whole[16:], bytes(6)))


@scenario("ipv6-options-here")
def options_here(s):
    """Destination options: read where a packet is for the router, header by header, behind INPUT."""
    six(s, table("filter", "-A INPUT -p udp -m udp --dport 54 -j DROP"))
    s.keys["sysctls"] = {"net.ipv6.icmp.ratelimit": 0}
    s.keys["local_services"] = [{"proto": "udp", "port": 53, "addr": "::", "echo": True}]
    s.note("what passes through is not read")
    s.put(ends(b"\1\4\0\0\1\0", dst=S6), ends(TELL, dst=S6))
    s.note("padding, known and unknown options")
    s.put(ends(bytes(6)), ends(b"\1\4\0\0\1\0"), ends(bytes(14)), ends(b"\x1e\4abcd"), ends(b"\x5e\4abcd"))
    s.put(ends(TELL), ends(TELL_ONE), ends(TELL, dst="ff02::1"), ends(TELL_ONE, dst="ff02::1"))
    s.note("options of routers and of mobile hosts are unknown here")
    s.put(ends(ALERT, bytes(2)))
    s.put(ends(b"\xc2\4\0\1\0\0"), ends(b"\0\0\0\0", b"\xc9\x10" + b"\x20\1\x0d\xb8" + bytes(12)))
    s.note("too many, too long; cut off")
    one = b"\x1e\0"
    s.put(ends(one * 8, b"\1\4\0\0\0\0"), ends(one * 9, b"\1\2\0\0"), behind(DESTINATION, header(17, bytes(6), length=9), dst=IN6_GW))
    s.step(sysctl={"net.ipv6.max_dst_opts_number": 0})
    s.put(ends(one, b"\1\2\0\0"), ends(bytes(6)), hops(one, b"\1\2\0\0", dst=IN6_GW))
    s.step(sysctl={"net.ipv6.max_dst_opts_number": 8})
    s.step(sysctl={"net.ipv6.max_dst_opts_length": 8})
    s.put(ends(bytes(6)), ends(b"\x1e\x0c" + b"l" * 12))
    s.step(sysctl={"net.ipv6.max_dst_opts_length": 2147483647})
    s.note("rules come first; two headers; behind hop-by-hop options; in a ping")
    s.put(behind(DESTINATION, header(17, TELL), dst=IN6_GW, payload=UDP(sport=5000, dport=54) / Raw(b"x")))
    s.put(behind(DESTINATION, header(60, bytes(6)), header(17, TELL), dst=IN6_GW),
          behind(HOP_BY_HOP, header(60, bytes(6)), header(17, TELL), dst=IN6_GW),
          behind(DESTINATION, header(58, TELL), dst=IN6_GW, payload=ICMPv6EchoRequest(id=3, seq=1)))
    s.note("the first of several headers decides: options, stations left of several kinds, hop by hop in a later place, AH")
    route = lambda following, kind=0, left=1: bytes([following, 2, kind, left]) + bytes(20)
    s.put(behind(DESTINATION, header(43, TELL), route(17), dst=IN6_GW), behind(ROUTING, route(60), header(17, TELL), dst=IN6_GW),
          behind(ROUTING, route(60, left=0), header(17, TELL), dst=IN6_GW), behind(ROUTING, route(17, kind=2), dst=IN6_GW),
          behind(ROUTING, route(17, kind=3), dst=IN6_GW), behind(ROUTING, route(17, kind=4), dst=IN6_GW),
          behind(ROUTING, route(17, kind=9), dst=IN6_GW),
          behind(DESTINATION, header(0, bytes(6)), header(17, bytes(6)), dst=IN6_GW),
          behind(HOP_BY_HOP, header(0, bytes(6)), header(17, bytes(6)), dst=IN6_GW),
          behind(AH, b"\x11\1" + bytes(10), dst=IN6_GW))
    s.note("no station left, of each kind, and cut short; then to a group, and to a station that is not this one alone")
    s.put(*(behind(ROUTING, route(17, kind=kind, left=0), dst=IN6_GW) for kind in (0, 2, 3, 4, 9)))
    s.put(behind(ROUTING, route(60, kind=4, left=0), header(17, TELL), dst=IN6_GW), behind(ROUTING, b"\x11\0\4\0", dst=IN6_GW, payload=Raw(b"")))
    s.put(*(behind(ROUTING, route(17, left=left), dst="ff02::1") for left in (0, 1)),
          behind(ROUTING, route(58, left=0), dst="ff02::1", payload=ICMPv6EchoRequest(id=3, seq=2)),
          behind(ROUTING, route(58, left=0), dst=IN6_GW, payload=ICMPv6EchoRequest(id=3, seq=3)))
    to = lambda mac: Ether(src=E6().src, dst=mac, type=E6().type)
    s.put(*(behind(ROUTING, route(17, left=left), dst=IN6_GW, frame=to(mac))
            for left in (0, 1) for mac in ("ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01")))
    s.note("in fragments: read when they are together")
    whole = header(17, TELL) + bytes(IPv6(src=A6, dst=IN6_GW) / UDP(sport=5001, dport=53) / Raw(b"f" * 24))[40:]
    part = lambda head, data: E6() / IPv6(src=A6, dst=IN6_GW, nh=44) / Raw(head + data)
    s.put(part(b"\x3c\0\0\1\0\0\0\7", whole[:16]), part(b"\x3c\0\0\x10\0\0\0\7", whole[16:]))
