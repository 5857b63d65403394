"""SANE: what is a call that asks for a port and what is an answer that names one, as the helper in C reads it (plugins/examples/sane)."""
import struct

from parts.builder import A, A6, B, GW, S6, SRV, masquerade, plugin_scenario, table, tcp
from parts.ipv6 import six, tcp6

SANE = table("raw", "-A PREROUTING -p tcp -m tcp --dport 6566 -j CT --helper sane")
RELATED = table("filter", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                "-A FORWARD -p tcp -m tcp --dport 6566 -j ACCEPT", FORWARD="DROP")
INIT, OPEN, CLOSE, CONTROL, PARAMETERS, START, CANCEL = 0, 2, 3, 5, 6, 7, 8


def words(*numbers):
    """Words as SANE writes them."""
    return struct.pack(f"!{len(numbers)}I", *numbers)


def announcing(port, order=0x1234):
    """The reply to START."""
    return words(0, port, order, 0)


class Scan:
    """A connection to saned that has begun."""

    def __init__(self, script, flow):
        self.script, self.flow = script, flow
        flow.open()
        self.call(words(INIT, 0x01010003, 0))
        self.reply(words(0, 0x01010003))

    def call(self, data):
        """The client's bytes."""
        self.flow.c2s("PA", data)

    def reply(self, data):
        """The server's bytes."""
        self.flow.s2c("PA", data)

    def start(self, data):
        """Asks for a port and is answered like that."""
        self.call(words(START, 0))
        self.reply(data)


@plugin_scenario("sane-scans")
def scans(s):
    """Calls and replies without NAT: each is followed by who comes to the port."""
    s.keys["iptables"] = SANE + RELATED
    t = Scan(s, s.flow(A, 44000, SRV, 6566))
    s.note("a port is announced: the client comes for it, once; nobody else does")
    t.start(announcing(10000))
    s.put(tcp(B, 50000, SRV, 10000), tcp(A, 50000, "198.51.100.8", 10000), tcp(A, 50000, SRV, 10001))
    d = s.flow(A, 50001, SRV, 10000)
    d.open()
    d.s2c("PA", b"image")
    s.put(tcp(A, 50002, SRV, 10000))
    s.note("images whose numbers begin with the high byte")
    t.start(announcing(10002, 0x4321))
    s.flow(A, 50003, SRV, 10002).open()
    s.note("no memory; a port of more than 16 bits; a reply that is cut before its port")
    for number, data in enumerate((words(10, 10010, 0x1234, 0), announcing(10011 + (1 << 16)), words(0))):
        t.start(data)
        s.put(tcp(A, 50010 + number, SRV, 10010 + number))
    t.reply(words(10012, 0x1234, 0))
    s.put(tcp(A, 50013, SRV, 10012))
    s.note("other calls of that length; a second answer")
    for number, call in enumerate((OPEN, CLOSE, PARAMETERS, CANCEL)):
        t.call(words(call, 0))
        t.reply(announcing(10020 + number))
        s.put(tcp(A, 50020 + number, SRV, 10020 + number))
    t.start(announcing(10030))
    t.reply(announcing(10031))
    s.put(tcp(A, 50031, SRV, 10031), tcp(A, 50030, SRV, 10030))
    s.note("another call before the answer: a short one is what is answered, a long one is not")
    for port, call in ((10040, words(CANCEL, 0)), (10041, words(CONTROL, 0, 1, 0, 2, 4, 1, 0))):
        t.call(words(START, 0))
        t.call(call)
        t.reply(announcing(port))
        s.put(tcp(A, port + 40000, SRV, port))
    s.note("a call in two segments")
    t.call(words(START))
    t.call(words(0))
    t.reply(announcing(10050))
    s.put(tcp(A, 50050, SRV, 10050))
    s.note("a port takes the place of the one before; a client of its own; 300 s")
    t.start(announcing(10060))
    t.start(announcing(10061))
    s.put(tcp(A, 50060, SRV, 10060), tcp(A, 50061, SRV, 10061))
    u = Scan(s, s.flow(B, 44001, SRV, 6566))
    t.start(announcing(10062))
    u.start(announcing(10062))
    s.step(advance=299)
    s.put(tcp(B, 50062, SRV, 10062))
    u.start(announcing(10063))
    s.step(advance=301)
    s.put(tcp(B, 50063, SRV, 10063))
    s.note("a scanner inside; the server calls")
    v = Scan(s, s.flow(SRV, 44002, A, 6566))
    v.start(announcing(10070))
    s.put(tcp(A, 10070, SRV, 10070))
    s.flow(SRV, 50070, A, 10070).open()


@plugin_scenario("sane-ipv6")
def over_ipv6(s):
    """The same over IPv6."""
    six(s, SANE, RELATED)
    t = Scan(s, s.flow6(A6, 44000, S6, 6566))
    t.start(announcing(10000))
    s.put(tcp6(A6, 50000, S6, 10001), tcp6(S6, 50000, A6, 10000))
    s.flow6(A6, 50001, S6, 10000).open()
    t.start(words(1, 0, 0, 0))


@plugin_scenario("sane-masquerade")
def behind_masquerade(s):
    """The client behind MASQUERADE, which the image's connection gets as well."""
    s.keys["iptables"] = SANE + masquerade() + RELATED
    t = Scan(s, s.flow(A, 44000, SRV, 6566, seen_client=GW))
    t.start(announcing(10000))
    d = s.flow(A, 50000, SRV, 10000, seen_client=GW)
    d.open()
    d.s2c("PA", b"image")
