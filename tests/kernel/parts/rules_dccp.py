"""The dccp match: ports, types of packets, options; headers that end early, or say so."""
import struct

from parts.builder import A, A6, E, E6, IP, IPv6, Raw, S6, SRV, scenario, table
from parts.ipv6 import six

RULES = ["", "--sport 100:200", "! --sport 100:200", "--dport 5", "! --dport 5:6", "--dccp-types REQUEST,RESPONSE",
         "! --dccp-types REQUEST,RESPONSE", "--dccp-types INVALID", "--dccp-option 5", "! --dccp-option 5", "--dccp-option 2",
         "! --dccp-option 40 --dport 5 ! --dccp-types DATA"]
BEHIND = {0: 4, 1: 12, 2: 0, 3: 8, 4: 8, 5: 8, 6: 8, 7: 12, 8: 8, 9: 8}


def header(kind, options=b"", extended=True, words=None, ports=(150, 5)):
    """The generic header, what the type has behind it, and options (RFC 4340, section 5.1)."""
    rest = bytes(4 if extended else 0) + bytes(BEHIND.get(kind, 12)) + options
    words = (12 + len(rest)) // 4 if words is None else words
    return struct.pack("!HHBBHBBH", *ports, words, 0, 0, kind << 1 | extended, 0, 7) + rest


def kinds():
    """What the packets say behind their network header, and what is about them."""
    yield "every type, with long and with short sequence numbers", [
        header(kind, b"\x01\x05\x02\x00", extended) + b"data" for kind in range(13) for extended in (True, False)]
    yield "ports", [header(0, ports=ports) for ports in ((99, 5), (100, 5), (200, 6), (201, 7), (0, 65535))]
    yield "no options; padding; one with a length; one within another; one of no length; a number that ends them", [
        header(3, options) + b"data" for options in (b"", bytes(4), b"\x01\x01\x01\x05", b"\x28\x04\x05\x05", b"\x28\x00\x05\x04",
                                                     b"\x28\x03\x09\x05", b"\x01\x01\x01\x28", b"\x05\x04\x00\x00", b"\x02\x02\x28\x02")]
    yield "a header that ends before its options, in the middle of what the type has, and one that is longer than the packet", [
        header(3, words=words) for words in (0, 3, 5, 6, 7, 255)]
    yield "a packet that ends in the header", [header(3)[:length] for length in (0, 4, 8, 11, 12, 16, 23)]


@scenario("rules-dccp")
def over_ipv4(s):
    """Each kind of packet before each rule; how far it may go says which one it is asked."""
    s.keys["iptables"] = table("raw", "-A PREROUTING -p dccp -j NOTRACK") + table("filter", *[f"-A FORWARD -p dccp -m ttl --ttl-eq {n + 10} -m dccp {rule} -j DROP" for n, rule in enumerate(RULES)])
    for note, headers in kinds():
        s.note(note)
        s.put(*[E() / IP(src=A, dst=SRV, id=1, proto=33, ttl=n + 11) / Raw(made) for made in headers for n in range(len(RULES))])


@scenario("ipv6-rules-dccp")
def over_ipv6(s):
    """The same over IPv6."""
    six(s, table("raw", "-A PREROUTING -p dccp -j NOTRACK"), table("filter", *[f"-A FORWARD -p dccp -m hl --hl-eq {n + 10} -m dccp {rule} -j DROP" for n, rule in enumerate(RULES)]))
    for note, headers in kinds():
        s.note(note)
        s.put(*[E6() / IPv6(src=A6, dst=S6, nh=33, hlim=n + 11) / Raw(made) for made in headers for n in range(len(RULES))])
