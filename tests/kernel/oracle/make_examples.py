#!/usr/bin/env python3
"""Makes the example corpus under ../examples/ (needs scapy) and, with --run,
has kernel_oracle.py write result.json and account.txt for each example.

    make_examples.py [--run | --check] [NAME...]

--check runs the kernel again and compares states, verdicts and events with
the result.json kept here (ports that the kernel draws by lot are not).
"""

import json
import os
import subprocess
import sys

from scapy.all import (Ether, ICMP, ICMPerror, IP, IPerror, IPv6, ICMPv6EchoRequest,
                       Raw, TCP, UDP, fragment, wrpcap)

# Always with both addresses: scapy would otherwise ask the network (ARP).
def E():
    return Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01", type=0x800)


def BCAST():
    return Ether(src="02:00:00:00:00:02", dst="ff:ff:ff:ff:ff:ff", type=0x800)


def E6():
    return Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01", type=0x86DD)


HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(os.path.dirname(HERE), "examples")
IN_NET = {"addrs": ["192.168.1.1/24"]}
OUT_NET = {"addrs": ["203.0.113.1/24"]}
DEFAULT = [{"dst": "default", "via": "203.0.113.254", "dev": "outside"}]
GW = "203.0.113.1"
MASQ = ["*nat", ":PREROUTING ACCEPT [0:0]", ":INPUT ACCEPT [0:0]",
        ":OUTPUT ACCEPT [0:0]", ":POSTROUTING ACCEPT [0:0]",
        "-A POSTROUTING -o outside -j MASQUERADE", "COMMIT"]
EX = {}


def example(name):
    def reg(f):
        EX[name] = f
        return f
    return reg


def scen(name, **kw):
    d = {"name": name, "inside": dict(IN_NET), "outside": dict(OUT_NET),
         "routes": DEFAULT}
    d.update(kw)
    return d


def nat(*rules):
    return MASQ[:-2] + list(rules) + ["COMMIT"]


def raw(*rules):
    return ["*raw", ":PREROUTING ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]"] + \
        list(rules) + ["COMMIT"]


def filt(*rules, forward="ACCEPT", inp="ACCEPT"):
    return ["*filter", ":INPUT %s [0:0]" % inp, ":FORWARD %s [0:0]" % forward,
            ":OUTPUT ACCEPT [0:0]"] + list(rules) + ["COMMIT"]


class Flow:
    """A TCP connection between a client and a server on the two sides of the
    router.  Sequence numbers are each sender's own; what a NAT helper adds
    to a direction must be told with grow()."""
    ident = 100

    def __init__(self, out, client, sport, server, dport, seen_client=None,
                 seen_server=None, ci=1000, si=9000, wscale=7, sack=True,
                 win=64240):
        self.out = out
        # seen_*: the address the other end sees (None: its own)
        self.c, self.sp, self.s, self.dp = client, sport, server, dport
        self.cs, self.ss = seen_client or client, seen_server or server
        self.cseq, self.sseq = ci, si          # next sequence of each sender
        self.cd = self.sd = 0                  # growth client->server, s->c
        self.win = win
        self.opts = [("MSS", 1460)]
        if sack:
            self.opts.append(("SAckOK", b""))
        if wscale is not None:
            self.opts.append(("WScale", wscale))

    def _ip(self, src, dst):
        Flow.ident += 1
        return E() / IP(src=src, dst=dst, id=Flow.ident & 0xFFFF)

    def _p(self, ip, tcp, data):
        self.out.append(ip / tcp / Raw(data) if data else ip / tcp)

    def c2s(self, flags, data=b"", seq=None, ack=None, win=None, opts=(),
            move=True):
        seq0 = self.cseq if seq is None else seq
        ack0 = (self.sseq + self.sd) if ack is None else ack
        if "A" not in flags and ack is None:
            ack0 = 0
        self._p(self._ip(self.c, self.ss),
                TCP(sport=self.sp, dport=self.dp, flags=flags,
                    seq=seq0 & 0xFFFFFFFF, ack=ack0 & 0xFFFFFFFF,
                    window=self.win if win is None else win,
                    options=list(opts)), data)
        if seq is None and move:
            self.cseq += len(data) + ("S" in flags) + ("F" in flags)

    def s2c(self, flags, data=b"", seq=None, ack=None, win=None, opts=(),
            move=True, dst=None):
        seq0 = self.sseq if seq is None else seq
        ack0 = (self.cseq + self.cd) if ack is None else ack
        if "A" not in flags and ack is None:
            ack0 = 0
        self._p(self._ip(self.s, dst or self.cs),
                TCP(sport=self.dp, dport=self.sp, flags=flags,
                    seq=seq0 & 0xFFFFFFFF, ack=ack0 & 0xFFFFFFFF,
                    window=self.win if win is None else win,
                    options=list(opts)), data)
        if seq is None and move:
            self.sseq += len(data) + ("S" in flags) + ("F" in flags)

    def open(self):
        self.c2s("S", opts=self.opts)
        self.s2c("SA", opts=self.opts)
        self.c2s("A")

    def close(self):
        self.c2s("FA")
        self.s2c("A")
        self.s2c("FA")
        self.c2s("A")


def udp(src, sport, dst, dport, data=b"x", ident=1, **kw):
    return E() / IP(src=src, dst=dst, id=ident, **kw) / \
        UDP(sport=sport, dport=dport) / Raw(data)


A, B, SRV = "192.168.1.10", "192.168.1.20", "198.51.100.7"


@example("01-tcp-masquerade")
def ex01():
    p = []
    f = Flow(p, A, 40000, SRV, 80, seen_client=GW)
    f.open()
    f.c2s("PA", b"GET / HTTP/1.0\r\n\r\n")
    f.s2c("A")
    f.s2c("PA", b"HTTP/1.0 200 OK\r\n\r\nhello")
    f.c2s("A")
    f.close()
    # the same four-tuple again out of TIME_WAIT, higher and then after RST
    g = Flow(p, A, 40000, SRV, 80, seen_client=GW, ci=500000, si=700000)
    g.open()
    g.c2s("RA")
    h = Flow(p, A, 40000, SRV, 80, seen_client=GW, ci=900000, si=1700000)
    h.open()
    h.s2c("FA")                       # the server closes first
    h.c2s("A")
    h.c2s("FA")
    h.s2c("A")
    return scen("TCP through MASQUERADE, re-use of a closed four-tuple",
                iptables=MASQ), p


@example("02-tcp-odd")
def ex02():
    p, notes = [], []

    def part(text):
        notes.append("%d: %s" % (len(p), text))
    part("data over the upper window bound, under the lower bound, ACK of "
         "bytes never sent, very old ACK; then good data again")
    f = Flow(p, A, 41000, SRV, 80, wscale=0, win=8192)
    f.open()
    f.c2s("PA", b"a" * 100)
    f.s2c("A")
    f.c2s("PA", b"b" * 100, seq=f.cseq + 8192 - 100)    # last bytes allowed
    f.c2s("PA", b"b" * 100, seq=f.cseq + 8192)          # starts at the edge
    f.c2s("PA", b"b" * 100, seq=f.cseq + 8192 + 1)      # starts beyond it
    f.c2s("PA", b"b" * 100, seq=f.cseq + 2 * 8192 - 200)  # less than a window
    f.c2s("PA", b"b" * 100, seq=f.cseq + 3 * 8192)      # more than a window
    f.c2s("PA", b"c" * 10, seq=f.cseq - 9000)           # far below
    f.c2s("PA", b"a" * 100, seq=f.cseq - 100)           # plain retransmission
    f.c2s("A", ack=f.sseq + 1)                          # ACK of unsent data
    f.c2s("A", ack=f.sseq - 70000)                      # ACK far too old
    f.c2s("PA", b"d" * 50)
    f.s2c("A")
    part("RST: out of window, then in window but not exact, then exact")
    g = Flow(p, A, 41001, SRV, 80, wscale=0, win=8192)
    g.open()
    g.c2s("PA", b"a" * 100)
    g.s2c("A")
    g.s2c("PA", b"z" * 200)
    g.c2s("A")
    g.s2c("R", seq=g.sseq + 100000)
    g.s2c("R", seq=g.sseq - 100)         # before the highest ACK seen
    g.c2s("R", seq=g.cseq + 50)
    g.c2s("PA", b"more")
    g.c2s("R", seq=g.cseq)
    g.c2s("PA", b"after the RST")
    part("RST in SYN_SENT: wrong ack, right ack")
    r = Flow(p, A, 41002, SRV, 80)
    r.c2s("S", opts=r.opts)
    r.s2c("RA", seq=0, ack=r.cseq + 77)
    r.s2c("RA", seq=0, ack=r.cseq)
    part("simultaneous open")
    s = Flow(p, A, 41003, SRV, 80)
    s.c2s("S", opts=s.opts)
    s.s2c("S", opts=s.opts)
    s.c2s("SA", seq=s.cseq - 1, opts=s.opts)
    s.s2c("SA", seq=s.sseq - 1, opts=s.opts)
    s.c2s("A")
    s.s2c("A")
    s.c2s("PA", b"hello")
    part("SYN sent again: same ISN, other ISN; SYN/ACK to the first, then to "
         "the second ISN")
    t = Flow(p, A, 41004, SRV, 80)
    t.c2s("S", opts=t.opts, move=False)
    t.c2s("S", opts=t.opts, move=False)
    t.c2s("S", opts=t.opts, seq=777000)
    t.s2c("SA", ack=1001, opts=t.opts, move=False)
    t.s2c("SA", ack=777001, opts=t.opts)
    t.cseq = 777001
    t.c2s("A")
    part("SYN/ACK without SYN, from either side")
    u = Flow(p, A, 41005, SRV, 80)
    u.s2c("SA", opts=u.opts)
    u.c2s("SA", opts=u.opts)
    part("pick-up in mid-stream: ACK, reply, data")
    v = Flow(p, A, 41006, SRV, 80)
    v.c2s("A")
    v.s2c("PA", b"x" * 10)
    v.c2s("A")
    v.c2s("PA", b"y" * 10)
    part("pick-up with data, with FIN, with RST, with no flag at all")
    for i, fl in enumerate(("PA", "FA", "RA", "R", "")):
        w = Flow(p, A, 41010 + i, SRV, 80)
        w.c2s(fl, b"y" * 10 if fl == "PA" else b"")
    part("flag nonsense: SYN+FIN, SYN+RST, all flags, FIN only, URG only")
    for i, fl in enumerate(("SF", "SR", "FSRPAU", "F", "U", "SU", "SP")):
        w = Flow(p, A, 41020 + i, SRV, 80)
        w.c2s(fl)
    part("SYN in an established connection: challenge ACK, then data")
    x = Flow(p, A, 41030, SRV, 80)
    x.open()
    x.c2s("S", seq=5550000, opts=x.opts)
    x.s2c("A")
    x.c2s("R", seq=x.cseq)                 # client's answer to the challenge
    x.c2s("PA", b"still alive")
    part("bad checksum; data offset beyond the packet; short header")
    y = Flow(p, A, 41031, SRV, 80)
    y.c2s("S", opts=y.opts)
    p[-1][TCP].chksum = 0x1234
    y.c2s("S")
    p[-1][TCP].dataofs = 15
    p.append(E() / IP(src=A, dst=SRV, proto=6) / Raw(b"\xa0\x28\x00\x50" * 3))
    part("retransmissions: the same data five times without an answer")
    z = Flow(p, A, 41032, SRV, 80)
    z.open()
    for _ in range(5):
        z.c2s("PA", b"r" * 20, move=False)
    z.cseq += 20
    z.s2c("A")
    part("half-closed and closed: FIN, data after FIN, late FIN again, SYN in "
         "TIME_WAIT with lower ISN")
    q = Flow(p, A, 41033, SRV, 80)
    q.open()
    q.c2s("FA")
    q.s2c("PA", b"data after the client's FIN")
    q.c2s("A")
    q.s2c("FA")
    q.c2s("A")
    q.s2c("FA", seq=q.sseq - 1)
    q.c2s("A")
    q.c2s("S", seq=10, opts=q.opts)
    q.s2c("A", seq=q.sseq)
    part("zero window, window probe")
    o = Flow(p, A, 41034, SRV, 80, wscale=0, win=1000)
    o.open()
    o.c2s("PA", b"m" * 1000)
    o.s2c("A", win=0)
    o.c2s("PA", b"p")
    o.s2c("A", win=0, ack=o.cseq - 1)
    part("reply to a connection picked up from the server's side")
    k = Flow(p, A, 41035, SRV, 80)
    k.s2c("PA", b"unasked")
    k.c2s("A")
    # values of their own, so that the account shows which one was taken
    t = "net.netfilter.nf_conntrack_tcp_timeout_"
    return scen("odd TCP (no NAT)", notes=notes, sysctls={
        t + "max_retrans": 310, t + "unacknowledged": 290}), p


@example("02b-tcp-strict")
def ex02b():
    sc, p = ex02()
    sc["name"] = "the same odd TCP with tcp_loose=0"
    sc["sysctls"]["net.netfilter.nf_conntrack_tcp_loose"] = 0
    return sc, p


@example("02c-tcp-liberal")
def ex02c():
    sc, p = ex02()
    sc["name"] = "the same odd TCP with tcp_be_liberal=1"
    sc["sysctls"]["net.netfilter.nf_conntrack_tcp_be_liberal"] = 1
    return sc, p


@example("02d-tcp-refresh")
def ex02d():
    p, notes, steps = [], [], []

    def note(text, advance=50):
        notes.append("%d: %s" % (len(p), text))
        if advance:
            steps.append({"before": len(p), "advance": advance})
    f = Flow(p, A, 40000, SRV, 80)
    f.c2s("S", opts=f.opts, move=False)
    note("SYN again after 50 s: does it refresh the 120 s?")
    f.c2s("S", opts=f.opts, move=False)
    note("SYN with another ISN after 50 s")
    f.c2s("S", seq=5555, opts=f.opts)
    g = Flow(p, A, 40001, SRV, 80)
    g.open()
    note("SYN in ESTABLISHED after 50 s: ignored")
    g.c2s("S", seq=99999)
    note("data far below the window after 50 s: ignored")
    g.c2s("PA", b"old", seq=g.cseq - 90000)
    note("good ACK after 50 s")
    g.c2s("A")
    note("SYN again, then RST of the other side in the window, not exact", 0)
    g.c2s("S", seq=99999)
    g.s2c("R", seq=g.sseq + 100)
    h = Flow(p, A, 40002, SRV, 80)
    h.open()
    note("RST without a SYN before it, in the window, not exact", 0)
    h.s2c("R", seq=h.sseq + 100)
    note("data after 5 s", 5)
    h.c2s("PA", b"x")
    i = Flow(p, A, 40003, SRV, 80, wscale=0, win=1000)
    i.open()
    note("INVALID (beyond the window) after 50 s")
    i.c2s("PA", b"x", seq=i.cseq + 5000)
    return scen("which packets refresh the timeout", notes=notes, steps=steps), p


@example("03-udp-nat")
def ex03():
    p = []
    # masqueraded both ways; the stream timeout needs 2 s of real age
    p += [udp(A, 5000, SRV, 53, b"q1"), udp(SRV, 53, GW, 5000, b"a1"),
          udp(A, 5000, SRV, 53, b"q2"), udp(SRV, 53, GW, 5000, b"a2")]
    # DNAT from the outside
    p += [udp(SRV, 6000, GW, 5353, b"in1"), udp(B, 53, SRV, 6000, b"out1")]
    # the inside server talks first from the port that DNAT uses
    p += [udp(B, 53, SRV, 6001, b"unasked")]
    # REDIRECT to a socket of the router
    p += [udp(A, 7000, SRV, 9999, b"to be redirected")]
    # to the router, nobody listens: ICMP port unreachable
    p += [udp(A, 7001, "192.168.1.1", 1234, b"closed port")]
    # outside, no state, to the masquerade address
    p += [udp(SRV, 53, GW, 5001, b"unsolicited")]
    # no checksum (0) through NAT; bad checksum
    u = udp(A, 5002, SRV, 53, b"nosum")
    u[UDP].chksum = 0
    v = udp(A, 5003, SRV, 53, b"badsum")
    v[UDP].chksum = 0x4242
    w = udp(A, 5004, SRV, 53, b"badlen")
    w[UDP].len = 200
    p += [u, v, w]
    # two seconds later: q3/a3 make it a stream
    n = len(p)
    p += [udp(A, 5000, SRV, 53, b"q3"), udp(SRV, 53, GW, 5000, b"a3"),
          udp(A, 5000, SRV, 53, b"q4")]
    # 121 seconds later it is gone: a late answer finds nothing
    m = len(p)
    p += [udp(SRV, 53, GW, 5000, b"late"), udp(A, 5000, SRV, 53, b"q5")]
    rules = nat("-A PREROUTING -i outside -p udp --dport 5353 -j DNAT "
                "--to-destination 192.168.1.20:53",
                "-A PREROUTING -i inside -p udp --dport 9999 -j REDIRECT "
                "--to-ports 9998",
                "-A POSTROUTING -o outside -j MASQUERADE")
    return scen("UDP: MASQUERADE, DNAT, REDIRECT, timeouts", iptables=rules,
                local_services=[{"proto": "udp", "port": 9998, "echo": True}],
                steps=[{"before": n, "sleep": 2.1},
                       {"before": m, "advance": 121}]), p


@example("04-icmp")
def ex04():
    p = []

    def echo(src, dst, ty, ident, seq, ttl=64):
        return E() / IP(src=src, dst=dst, id=seq, ttl=ttl) / \
            ICMP(type=ty, id=ident, seq=seq) / Raw(b"ping data")
    p += [echo(A, SRV, 8, 77, 1), echo(SRV, GW, 0, 77, 1),
          echo(A, SRV, 8, 77, 2), echo(SRV, GW, 0, 77, 2),
          echo(SRV, GW, 0, 78, 1),                    # reply nobody asked for
          echo(B, SRV, 8, 77, 1),                     # id clash under NAT
          ]
    # a UDP flow and errors about it
    q = udp(A, 5000, SRV, 33434, b"probe", ident=5)
    p += [q]
    inner = IP(src=GW, dst=SRV, id=5, ttl=1) / UDP(sport=5000, dport=33434) / Raw(b"probe")
    hop = "203.0.113.77"

    def err(src, ty, code, inn, cut=None, **kw):
        b = bytes(inn)
        if cut:
            b = b[:cut]
        return E() / IP(src=src, dst=GW) / ICMP(type=ty, code=code, **kw) / Raw(b)
    p += [err(hop, 11, 0, inner),                     # time exceeded from a hop
          err(SRV, 3, 3, inner),                      # port unreachable
          err(SRV, 3, 4, inner, nexthopmtu=1400),     # frag needed
          err(SRV, 3, 3, inner, cut=28),              # only 8 bytes of UDP
          err(SRV, 3, 3, inner, cut=24)]              # only 4: too short
    other = IP(src=GW, dst=SRV, id=5) / UDP(sport=5999, dport=33434) / Raw(b"probe")
    p += [err(SRV, 3, 3, other)]                      # about no known flow
    bad = err(SRV, 3, 3, inner)
    bad[ICMP].chksum = 0x1111
    p += [bad]
    # error about an echo request, and from the client's own side
    ein = IP(src=GW, dst=SRV, id=1) / ICMP(type=8, id=77, seq=1) / Raw(b"ping data")
    p += [err(hop, 11, 0, ein)]
    a = udp(SRV, 33434, GW, 5000, b"answer", ident=6)
    p += [a]
    back = IP(src=SRV, dst=A, id=6, ttl=63) / UDP(sport=33434, dport=5000) / Raw(b"answer")
    p += [E() / IP(src=A, dst=SRV) / ICMP(type=3, code=3) / Raw(bytes(back))]
    # TTL 1: the router answers itself; redirect; timestamp; unknown type
    p += [udp(A, 5001, SRV, 33434, b"ttl", ttl=1)]
    p += [err(hop, 5, 1, inner, gw="203.0.113.9")]
    clock = {"ts_ori": 27593830, "ts_rx": 27593830, "ts_tx": 27593830}
    p += [E() / IP(src=A, dst=SRV) / ICMP(type=13, id=9, seq=1, **clock),
          E() / IP(src=SRV, dst=GW) / ICMP(type=14, id=9, seq=1, **clock),
          E() / IP(src=A, dst=SRV) / ICMP(type=42, id=9, seq=1),
          E() / IP(src=A, dst=SRV) / ICMP(type=9, code=0)]
    # echo to the router itself from both sides
    p += [echo(A, "192.168.1.1", 8, 5, 1), echo(SRV, GW, 8, 77, 1)]
    return scen("ICMP: echo, errors about tracked flows, inner NAT",
                iptables=MASQ), p


FTP_RAW = raw("-A PREROUTING -p tcp --dport 21 -j CT --helper ftp")


@example("05-ftp-client-inside")
def ex05():
    """The client is masqueraded; its PORT and EPRT are rewritten."""
    p, notes = [], []
    C = "10.0.0.5"
    S = "198.51.100.21"

    def cmd(f, text, grow=0):
        notes.append("%d: %s" % (len(p), text.strip()))
        f.c2s("PA", text.encode())
        f.cd += grow
        f.s2c("A")

    def rsp(f, text, grow=0):
        notes.append("%d: %s" % (len(p), text.strip()))
        f.s2c("PA", text.encode())
        f.sd += grow
        f.c2s("A")
    f = Flow(p, C, 42000, S, 21, seen_client=GW)
    f.open()
    rsp(f, "220 ready\r\n")
    cmd(f, "USER anonymous\r\n")
    # 10,0,0,5 (8) becomes 203,0,113,1 (11): +3
    cmd(f, "PORT 10,0,0,5,200,10\r\n", 3)
    notes.append("%d: PORT retransmitted at once" % len(p))
    f.c2s("PA", b"PORT 10,0,0,5,200,10\r\n", seq=1001 + 16)
    rsp(f, "200 PORT ok\r\n")
    d = Flow(p, S, 20, C, 200 * 256 + 10, seen_server=GW, ci=50, si=60)
    d.open()
    d.c2s("PA", b"file data")
    d.close()
    cmd(f, "NOOP\r\n")
    # the same PORT line again, as a retransmission
    notes.append("%d: PORT retransmitted two lines later" % len(p))
    f.c2s("PA", b"PORT 10,0,0,5,200,10\r\n", seq=1001 + 16)
    # and a SACK from the server about the byte range after the rewriting
    notes.append("%d: duplicate ACK with SACK" % len(p))
    cur = f.cseq + f.cd
    f.s2c("A", ack=cur - 6, opts=[("NOP", None), ("NOP", None),
                                  ("SAck", (cur - 3, cur))])
    # second rewriting: EPRT, +3 again
    cmd(f, "EPRT |1|10.0.0.5|51300|\r\n", 3)
    rsp(f, "200 EPRT ok\r\n")
    e = Flow(p, S, 20, C, 51300, seen_server=GW, ci=70, si=80)
    e.open()
    # PASV and EPSV: the server is not translated
    cmd(f, "PASV\r\n")
    rsp(f, "227 Entering Passive Mode (198,51,100,21,195,80)\r\n")
    g = Flow(p, C, 42001, S, 195 * 256 + 80, seen_client=GW)
    g.open()
    cmd(f, "EPSV\r\n")
    rsp(f, "229 Entering Extended Passive Mode (|||50001|)\r\n")
    h = Flow(p, C, 42002, S, 50001, seen_client=GW)
    h.open()
    # a PORT naming another host: not believed (loose=0), and a split PORT
    cmd(f, "PORT 10,0,0,6,200,11\r\n")
    notes.append("%d: PORT split over two segments" % len(p))
    f.c2s("PA", b"PORT 10,0,0,5,2")
    f.c2s("PA", b"00,12\r\n")
    f.close()
    C2 = "192.168.1.100"
    f = Flow(p, C2, 42003, S, 21, seen_client=GW, wscale=None, sack=False)
    f.open()
    # the very first line of a direction is not looked at: no newline before it
    cmd(f, "PORT 192,168,1,100,4,1\r\n")
    # 192,168,1,100 (13) becomes 203,0,113,1 (11): -2
    cmd(f, "PORT 192,168,1,100,4,0\r\n", -2)
    cmd(f, "LIST\r\n")
    d = Flow(p, S, 20, C2, 1024, seen_server=GW)
    d.open()
    # two clients name the same port while both expectations are pending
    g = Flow(p, C, 42010, S, 21, seen_client=GW)
    g.open()
    cmd(g, "USER a\r\n")
    cmd(g, "PORT 10,0,0,5,200,20\r\n", 3)
    drawn = len(p)              # its length depends on the port drawn
    f.c2s("PA", b"PORT 192,168,1,100,200,20\r\n")
    sc = scen("FTP, client behind MASQUERADE", iptables=FTP_RAW + MASQ,
              notes=notes, drawn=[drawn])
    sc["inside"] = {"addrs": ["192.168.1.1/24", "10.0.0.1/24"]}
    return sc, p


@example("05b-ftp-server-inside")
def ex05b():
    """The server is behind DNAT; its 227 and 229 are rewritten."""
    p, notes = [], []
    C, S = "198.51.100.50", "10.0.0.21"

    def cmd(f, text, grow=0):
        notes.append("%d: %s" % (len(p), text.strip()))
        f.c2s("PA", text.encode())
        f.cd += grow
        f.s2c("A")

    def rsp(f, text, grow=0):
        notes.append("%d: %s" % (len(p), text.strip()))
        f.s2c("PA", text.encode())
        f.sd += grow
        f.c2s("A")
    f = Flow(p, C, 43000, S, 21, seen_server=GW)
    f.open()
    rsp(f, "220 ready\r\n")
    cmd(f, "PASV\r\n")
    # (10,0,0,21,195,80) -> (203,0,113,1,195,80): 9 -> 11 characters
    rsp(f, "227 Entering Passive Mode (10,0,0,21,195,80)\r\n", 2)
    d = Flow(p, C, 43001, S, 195 * 256 + 80, seen_server=GW)
    d.open()
    cmd(f, "EPSV\r\n")
    rsp(f, "229 Entering Extended Passive Mode (|||50002|)\r\n")
    e = Flow(p, C, 43002, S, 50002, seen_server=GW)
    e.open()
    cmd(f, "PORT 198,51,100,50,210,1\r\n")
    rsp(f, "200 ok\r\n")
    g = Flow(p, S, 20, C, 210 * 256 + 1, seen_client=GW)
    g.open()
    f.close()
    sc = scen("FTP, server behind DNAT", notes=notes,
              iptables=FTP_RAW + nat(
                  "-A PREROUTING -i outside -p tcp --dport 21 -j DNAT "
                  "--to-destination 10.0.0.21",
                  "-A POSTROUTING -o outside -j MASQUERADE"))
    sc["inside"] = {"addrs": ["10.0.0.1/24"]}
    return sc, p


@example("05c-ftp-expectation-life")
def ex05c():
    p, notes = [], []
    C, S = "10.0.0.5", "198.51.100.21"
    f = Flow(p, C, 42000, S, 21, seen_client=GW)
    f.open()
    for text, grow in (("USER a", 0), ("PORT 10,0,0,5,200,1", 3),
                       ("PORT 10,0,0,5,200,2", 3)):
        f.c2s("PA", text.encode() + b"\r\n")
        f.cd += grow
        f.s2c("A")
    notes.append("%d: to the first PORT, which the second has replaced" % len(p))
    d = Flow(p, S, 20, C, 51201, seen_server=GW)
    d.c2s("S", opts=d.opts)
    f.c2s("RA")
    n = len(p)
    notes.append("%d: to the second, after the control connection's entry ran "
                 "out and took it along" % n)
    d = Flow(p, S, 20, C, 51202, seen_server=GW)
    d.c2s("S", opts=d.opts)
    sc = scen("FTP: how long an expectation lives", iptables=FTP_RAW + MASQ,
              notes=notes, steps=[{"before": n, "advance": 11}])
    sc["inside"] = {"addrs": ["192.168.1.1/24", "10.0.0.1/24"]}
    return sc, p


@example("06-tftp")
def ex06():
    S = "198.51.100.69"

    def rq(op, name):
        return bytes([0, op]) + name + b"\0octet\0"
    p = [udp(A, 2000, S, 69, rq(1, b"boot.img")),            # RRQ
         udp(S, 3333, GW, 2000, b"\0\3\0\1" + b"D" * 64),    # DATA 1
         udp(A, 2000, S, 3333, b"\0\4\0\1"),                 # ACK 1
         udp(S, 3333, GW, 2000, b"\0\3\0\2" + b"D" * 10),
         udp(A, 2000, S, 3333, b"\0\4\0\2"),
         udp(S, 3334, GW, 2000, b"\0\3\0\1late"),            # other port: no
         udp(A, 2001, S, 69, rq(2, b"up.bin")),              # WRQ
         udp(S, 3400, GW, 2001, b"\0\4\0\0"),
         udp(A, 2001, S, 3400, b"\0\3\0\1data"),
         udp(A, 2002, S, 69, b"\0\5\0\1err\0"),              # not a request
         udp(S, 3500, GW, 2002, b"\0\3\0\1x"),
         udp(A, 2000, S, 69, rq(1, b"again")),               # same port again
         udp(S, 3333, GW, 2000, b"\0\3\0\1old tid"),         # old flow lives
         udp(S, 3600, GW, 2000, b"\0\3\0\1new tid"),
         udp(B, 2000, S, 69, rq(1, b"clash")),               # clash of ports
         udp(S, 3700, GW, 2000, b"\0\3\0\1for B")]
    n = len(p) - 1
    return scen("TFTP helper behind MASQUERADE",
                iptables=raw("-A PREROUTING -p udp --dport 69 -j CT --helper "
                             "tftp") + MASQ,
                answers={str(n): {"frame": n - 1}}), p


@example("07-irc-dcc")
def ex07():
    p, notes = [], []
    S = "198.51.100.66"

    def u32(a):
        return sum(int(x) << s for x, s in zip(a.split("."), (24, 16, 8, 0)))

    def say(f, text, grow=0):
        notes.append("%d: %s" % (len(p), text.strip()))
        f.c2s("PA", text.encode())
        f.cd += grow
        f.s2c("A")
    f = Flow(p, A, 44000, S, 6667, seen_client=GW)
    f.open()
    say(f, "NICK alice\r\n")
    line = "PRIVMSG bob :\x01DCC SEND file.txt %d %d 1234\x01\r\n"
    # 3232235786 and 3405803777: both ten digits, no growth
    say(f, line % (u32(A), 5000))
    peer = "198.51.100.99"
    # the kernel gives the peer the IRC server's address (see the README)
    d = Flow(p, peer, 45000, A, 5000, seen_client=S, seen_server=GW)
    d.open()
    d.c2s("PA", b"dcc data")
    d2 = Flow(p, peer, 45001, A, 5000, seen_server=GW, ci=3, si=4)
    d2.c2s("S", opts=d2.opts)                     # second one: not expected
    say(f, "PRIVMSG bob :\x01DCC CHAT chat %d %d\x01\r\n" % (u32(A), 5001))
    say(f, line % (u32("192.168.1.77"), 5002))    # somebody else's address
    say(f, line % (u32(A), 80))                   # low port
    say(f, "NOTICE x :\x01DCC MOVE file %d %d\x01\r\n" % (u32(A), 5003))
    say(f, "PRIVMSG bob :\x01DCC RESUME file.txt 5000 100\x01\r\n")
    # from the server's side (reply direction) nothing is looked at
    notes.append("%d: DCC in reply direction" % len(p))
    f.s2c("PA", (":bob PRIVMSG alice :\x01DCC SEND x %d 6000 1\x01\r\n"
                 % u32(peer)).encode())
    f.c2s("A")
    # a short address grows: 10.0.0.5 = 167772165 (nine digits): +1
    C = "10.0.0.5"
    g = Flow(p, C, 44001, S, 6667, seen_client=GW)
    g.open()
    say(g, line % (u32(C), 5000), 1)              # port 5000 again
    say(g, "PING x\r\n")
    sc = scen("IRC DCC behind MASQUERADE", notes=notes,
              iptables=raw("-A PREROUTING -p tcp --dport 6667 -j CT "
                           "--helper irc") + MASQ)
    sc["inside"] = {"addrs": ["192.168.1.1/24", "10.0.0.1/24"]}
    return sc, p


@example("08-netbios-ns")
def ex08():
    q = bytes.fromhex("1234011000010000000000002043"
                      "4b4141414141414141414141414141414141414141414141"
                      "41414141414141410000210001")
    a = b"\x12\x34\x84\x00" + b"\0" * 20
    p = [udp("192.168.1.1", 137, "192.168.1.255", 137, q),      # 0 local
         udp("192.168.1.10", 137, "192.168.1.1", 137, a),       # 1 answer
         udp("192.168.1.20", 137, "192.168.1.1", 137, a),       # 2 answer
         udp("192.168.1.20", 137, "192.168.1.1", 137, a),       # 3 again
         udp("192.168.1.30", 138, "192.168.1.1", 137, a),       # 4 wrong port
         udp("198.51.100.7", 137, "192.168.1.1", 137, a),       # 5 other net
         udp("192.168.1.1", 137, "192.168.1.255", 137, q),      # 6 local again
         udp("192.168.1.1", 1025, "192.168.1.255", 137, q),     # 7 high port
         udp("192.168.1.40", 137, "192.168.1.1", 1025, a),      # 8 answer
         udp("192.168.1.1", 1026, "192.168.1.50", 137, q),      # 9 unicast query
         udp("192.168.1.60", 137, "192.168.1.1", 1026, a),      # 10 not expected
         udp("192.168.1.10", 137, "192.168.1.255", 137, q),     # 11 from inside
         udp("192.168.1.10", 1030, "203.0.113.255", 137, q),    # 12 forwarded
         udp("203.0.113.9", 137, "192.168.1.10", 1030, a),      # 13 its answer
         udp("192.168.1.1", 1031, "255.255.255.255", 137, q),   # 14 limited bc.
         udp("192.168.1.70", 137, "192.168.1.1", 1031, a),      # 15
         ]
    n = len(p)
    p += [udp("192.168.1.80", 137, "192.168.1.1", 137, a)]      # 4 s later
    return scen("NetBIOS name service helper",
                sides=["local", "inside", "inside", "inside", "inside", "outside",
                 "local", "local", "inside", "local", "inside", "inside",
                 "inside", "outside", "local", "inside", "inside"],
                iptables=raw("-A OUTPUT -p udp --dport 137 -j CT --helper "
                             "netbios-ns",
                             "-A PREROUTING -p udp --dport 137 -j CT --helper "
                             "netbios-ns"),
                sysctls={"net.ipv4.conf.all.bc_forwarding": 1,
                         "net.ipv4.conf.inside.bc_forwarding": 1},
                local_services=[{"proto": "udp", "port": 137, "echo": False},
                                {"proto": "udp", "port": 1025, "echo": False},
                                {"proto": "udp", "port": 1026, "echo": False},
                                {"proto": "udp", "port": 1031, "echo": False}],
                steps=[{"before": n, "advance": 4}]), p


@example("09-fragments")
def ex09():
    p, notes = [], []

    def frags(pkt, size=1480, **kw):
        return [E() / f for f in fragment(pkt[IP], fragsize=size)]

    def part(t):
        notes.append("%d: %s" % (len(p), t))
    big = bytes(range(256)) * 12                     # 3072 bytes
    part("in order, MASQUERADE")
    p += frags(udp(A, 5000, SRV, 53, big, ident=100))
    part("answer, last fragment first")
    p += frags(udp(SRV, 53, GW, 5000, big, ident=101))[::-1]
    part("small fragments (400 bytes): sent on in which sizes?")
    p += frags(udp(A, 5000, SRV, 53, big[:1000], ident=102), 400)
    part("a fragment twice, then the rest")
    f = frags(udp(A, 5000, SRV, 53, big, ident=103))
    p += [f[0], f[0], f[1], f[2]]
    part("overlapping fragments: the whole datagram is dropped")
    f = frags(udp(A, 5000, SRV, 53, big, ident=104))
    o = f[1].copy()
    o[IP].frag -= 1
    p += [f[0], o, f[1], f[2]]
    part("middle fragment missing: never comes out")
    f = frags(udp(A, 5000, SRV, 53, big, ident=105))
    p += [f[0], f[2]]
    part("DF set on fragments")
    f = frags(udp(A, 5000, SRV, 53, big[:2000], ident=106))
    for x in f:
        x[IP].flags = int(x[IP].flags) | 2
    p += f
    part("whole packet over the outside MTU (1400), without and with DF")
    p += [udp(A, 5001, SRV, 53, big[:1450], ident=107)]
    p += [udp(A, 5001, SRV, 53, big[:1450], ident=108, flags="DF")]
    part("ICMP echo in fragments")
    e = E() / IP(src=A, dst=SRV, id=109) / ICMP(type=8, id=3, seq=1) / Raw(big)
    p += frags(e)
    part("TCP SYN split inside its header (8 bytes first)")
    s = E() / IP(src=A, dst=SRV, id=110) / TCP(sport=46000, dport=80, flags="S",
                                                  seq=1)
    p += frags(s, 8)
    part("fragments of different senders with the same id interleaved")
    a = frags(udp(A, 5002, SRV, 53, big[:2000], ident=111))
    b = frags(udp(B, 5003, SRV, 53, big[:2000][::-1], ident=111))
    p += [a[0], b[0], b[1], a[1]]
    part("to the router itself: two fragments, closed port")
    p += frags(udp(A, 5004, "192.168.1.1", 4444, big[:2000], ident=112))
    return scen("IPv4 fragments through conntrack and MASQUERADE", iptables=MASQ,
                routes=[dict(DEFAULT[0], extra=["mtu", "1400"])], notes=notes), p


@example("10-reject-log")
def ex10():
    p, notes = [], []

    def part(t):
        notes.append("%d: %s" % (len(p), t))
    part("UDP to the REJECT rule (port unreachable)")
    p += [udp(A, 5000, SRV, 7, b"reject me" * 10, ident=9)]
    part("TCP SYN to the tcp-reset rule; ACK of no connection to it")
    f = Flow(p, A, 47000, SRV, 7, ci=123456)
    f.c2s("S", opts=f.opts)
    g = Flow(p, A, 47001, SRV, 7, ci=5000, si=6000)
    g.c2s("PA", b"12345")
    part("RST to the tcp-reset rule: never answered")
    h = Flow(p, A, 47002, SRV, 7)
    h.c2s("R")
    part("established connection cut by a rule on payload: RST to the sender")
    k = Flow(p, A, 47003, SRV, 8080)
    k.open()
    k.c2s("PA", b"fine")
    k.s2c("A")
    k.c2s("PA", b"FORBIDDEN")
    k.s2c("A", ack=k.cseq - 9)
    part("other reject types: host-prohibited, admin-prohibited, net-unreach, proto")
    for port in (9001, 9002, 9003, 9004):
        p += [udp(A, 5001, SRV, port, b"x" * 40, ident=port)]
    part("DROP and NFLOG with prefix; LOG (needs --kmsg to be seen)")
    p += [udp(A, 5002, SRV, 9005, b"dropped"), udp(A, 5003, SRV, 9006, b"logged")]
    part("REJECT in INPUT, on ICMP error (never answered), on a broadcast, "
         "on a bad checksum")
    p += [udp(A, 5004, "192.168.1.1", 7, b"input")]
    p += [E() / IP(src=A, dst="192.168.1.1") / ICMP(type=3, code=3) /
          Raw(bytes(IP(src="192.168.1.1", dst=A) / UDP(sport=1, dport=2) / Raw(b"12345678")))]
    p += [BCAST() / IP(src=A, dst="192.168.1.255") /
          UDP(sport=5, dport=7) / Raw(b"bc")]
    b = udp(A, 5005, SRV, 7, b"bad sum")
    b[UDP].chksum = 0xBEEF
    p += [b]
    f = Flow(p, A, 47004, SRV, 7)
    f.c2s("S")
    p[-1][TCP].chksum = 0xBEEF
    part("policy DROP with an ESTABLISHED,RELATED rule: answers pass, new "
         "connections from outside do not, INVALID is logged")
    q = Flow(p, A, 47005, SRV, 80)
    q.open()
    r = Flow(p, SRV, 47006, A, 22)
    r.c2s("S", opts=r.opts)
    s = Flow(p, A, 47007, SRV, 80)
    s.s2c("SA", opts=s.opts)
    rules = filt(
        "-A INPUT -p udp --dport 7 -j REJECT",
        "-A INPUT -p icmp -j REJECT",
        "-A FORWARD -p udp --dport 7 -j REJECT --reject-with icmp-port-unreachable",
        "-A FORWARD -p tcp --dport 7 -j REJECT --reject-with tcp-reset",
        "-A FORWARD -p tcp --dport 8080 -m string --algo bm --string FORBIDDEN "
        "-j REJECT --reject-with tcp-reset",
        "-A FORWARD -p udp --dport 9001 -j REJECT --reject-with icmp-host-prohibited",
        "-A FORWARD -p udp --dport 9002 -j REJECT --reject-with icmp-admin-prohibited",
        "-A FORWARD -p udp --dport 9003 -j REJECT --reject-with icmp-net-unreachable",
        "-A FORWARD -p udp --dport 9004 -j REJECT --reject-with icmp-proto-unreachable",
        "-A FORWARD -p udp --dport 9005 -j NFLOG --nflog-group 5 --nflog-prefix "
        "\"drop \"",
        "-A FORWARD -p udp --dport 9005 -j DROP",
        "-A FORWARD -p udp --dport 9006 -j LOG --log-prefix \"seen: \" --log-level 4",
        "-A FORWARD -m conntrack --ctstate INVALID -j NFLOG --nflog-group 5 "
        "--nflog-prefix \"invalid \"",
        "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A FORWARD -i inside -j ACCEPT",
        forward="DROP")
    return scen("REJECT, DROP, NFLOG, LOG, stateful policy", iptables=rules,
                nflog_groups=[5], notes=notes), p


@example("11-nat-clash")
def ex11():
    p, notes, ans = [], [], {}
    S2 = "198.51.100.8"

    def part(t):
        notes.append("%d: %s" % (len(p), t))

    def answered(q):
        ans[str(len(p))] = {"frame": len(p) - 1}
        p.append(q)
    for lo, what in ((5000, "5000"), (700, "700 (512..1023)"), (300, "300 (<512)")):
        part("UDP, two hosts, the same source port %s, same server" % what)
        p.append(udp(A, lo, SRV, 53, b"A"))
        p.append(udp(SRV, 53, GW, lo, b"for A"))
        p.append(udp(B, lo, SRV, 53, b"B"))
        answered(udp(SRV, 53, GW, lo, b"for B"))
    part("the same port to another server: no clash, kept")
    p.append(udp(B, 5000, S2, 53, b"B to S2"))
    answered(udp(S2, 53, GW, 5000, b"for B"))
    part("A to the other server too: A's own mapping is tried first")
    p.append(udp(A, 5000, S2, 53, b"A to S2"))
    answered(udp(S2, 53, GW, 5000, b"for A"))
    part("B to a third server: which of B's two mappings is re-used?")
    p.append(udp(B, 5000, "198.51.100.9", 53, b"B to S3"))
    part("the same port but TCP: no clash with UDP")
    f = Flow(p, B, 5000, SRV, 53, seen_client=GW)
    f.c2s("S", opts=f.opts)
    f.s2c("SA", opts=f.opts)
    part("TCP clash")
    g = Flow(p, A, 5000, SRV, 53, seen_client=GW)
    g.c2s("S", opts=g.opts)
    ans[str(len(p))] = {"frame": len(p) - 1}
    g.s2c("SA", opts=g.opts)
    part("ICMP id clash")
    for h in (A, B):
        p.append(E() / IP(src=h, dst=SRV) / ICMP(type=8, id=900, seq=1) / Raw(b"x"))
        answered(E() / IP(src=SRV, dst=GW) / ICMP(type=0, id=900, seq=1) / Raw(b"x"))
    part("a flow of the router's own holds the port")
    p.append(udp(GW, 6000, SRV, 53, b"router itself"))
    p.append(udp(A, 6000, SRV, 53, b"A, 6000"))
    part("an outside flow to the router holds the reversed tuple")
    p.append(udp(SRV, 53, GW, 6001, b"unasked"))
    p.append(udp(A, 6001, SRV, 53, b"A, 6001"))
    part("SNAT with a port range of three: fourth host, then the fifth")
    for i in range(5):
        p.append(udp("192.168.1.%d" % (100 + i), 7000, SRV, 99, b"range"))
    part("SNAT to one TCP port: its owner is in TIME_WAIT; a second host with "
         "a lower, then a third with a higher sequence number")
    o = Flow(p, "192.168.1.110", 7100, SRV, 99, seen_client=GW)
    o.cs = GW
    o.c2s("S", opts=o.opts)
    sp, o.sp = o.sp, 31000                 # the server sees port 31000
    o.s2c("SA", opts=o.opts)
    o.sp = sp
    o.c2s("A")
    o.c2s("FA")
    o.sp = 31000
    o.s2c("FA")
    o.sp = sp
    o.c2s("A")
    for host, isn in (("192.168.1.111", 10), ("192.168.1.112", 5000000)):
        h = Flow(p, host, 7100, SRV, 99, ci=isn)
        h.c2s("S", opts=h.opts)
    part("--random and --to-ports outside of the original port")
    p.append(udp(A, 7000, SRV, 98, b"random"))
    p.append(udp(A, 7000, SRV, 97, b"to-ports 20000-20010"))
    p.append(udp(A, 20005, SRV, 97, b"already in range"))
    sides = ["inside" if q[IP].src.startswith("192.168.1.") else "outside" for q in p]
    for i, q in enumerate(p):
        if q[IP].src == GW:
            sides[i] = "local"
    rules = nat("-A POSTROUTING -o outside -p udp --dport 99 -j SNAT --to-source "
                "203.0.113.1:30000-30002",
                "-A POSTROUTING -o outside -p tcp --dport 99 -j SNAT --to-source "
                "203.0.113.1:31000",
                "-A POSTROUTING -o outside -p udp --dport 98 -j MASQUERADE --random",
                "-A POSTROUTING -o outside -p udp --dport 97 -j MASQUERADE "
                "--to-ports 20000-20010",
                "-A POSTROUTING -o outside -j MASQUERADE")
    return scen("source port clashes under NAT", iptables=rules, notes=notes,
                answers=ans, sides=sides,
                local_services=[{"proto": "udp", "port": 6001, "echo": False}]), p


@example("13-notrack-mark-zone")
def ex13():
    p = [udp(A, 5000, SRV, 5555, b"no track"), udp(SRV, 5555, A, 5000, b"answer"),
         udp(A, 5001, SRV, 53, b"marked"), udp(SRV, 53, A, 5001, b"restored"),
         udp(A, 5002, SRV, 54, b"zone 7"), udp(SRV, 54, A, 5002, b"zone 0"),
         Ether_gre(A, SRV), Ether_gre(SRV, A),
         E() / IP(src=A, dst=SRV, proto=99) / Raw(b"unknown protocol")]
    rules = raw("-A PREROUTING -p udp --dport 5555 -j CT --notrack",
                "-A PREROUTING -p udp --dport 54 -j CT --zone 7") + [
        "*mangle", ":PREROUTING ACCEPT [0:0]", ":INPUT ACCEPT [0:0]",
        ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]",
        ":POSTROUTING ACCEPT [0:0]",
        "-A PREROUTING -p udp --dport 53 -j CONNMARK --set-mark 0x17",
        "-A PREROUTING -j CONNMARK --restore-mark", "COMMIT"]
    return scen("NOTRACK, connection marks, zones, other protocols",
                iptables=rules), p


def Ether_gre(src, dst):
    return E() / IP(src=src, dst=dst, proto=47) / Raw(bytes.fromhex("00000800") + b"payload")


@example("12-ipv6")
def ex12():
    a6, s6 = "fd00:1::10", "2001:db8:2::7"
    p = [E6() / IPv6(src=a6, dst=s6) / UDP(sport=5000, dport=53) / Raw(b"q"),
         E6() / IPv6(src=s6, dst=a6) / UDP(sport=53, dport=5000) / Raw(b"a"),
         E6() / IPv6(src=a6, dst=s6) / ICMPv6EchoRequest(id=5, seq=1) / Raw(b"ping"),
         E6() / IPv6(src=a6, dst=s6) / TCP(sport=5000, dport=80, flags="S", seq=1),
         E6() / IPv6(src=a6, dst=s6) / UDP(sport=5001, dport=7) / Raw(b"reject"),
         E6() / IPv6(src=a6, dst=s6, hlim=1) / UDP(sport=5002, dport=53) / Raw(b"hl"),
         ]
    return {"name": "IPv6 with REJECT and MASQUERADE",
            "inside": {"addrs": ["fd00:1::1/64", "192.168.1.1/24"]},
            "outside": {"addrs": ["2001:db8:1::1/64", "203.0.113.1/24"]},
            "routes": [{"dst": "2001:db8:2::/48", "via": "2001:db8:1::fe",
                        "dev": "outside"}],
            "ip6tables": filt("-A FORWARD -p udp --dport 7 -j REJECT") +
            nat("-A POSTROUTING -o outside -p tcp -j MASQUERADE")}, p


def run(d, out, text, extra=()):
    r = subprocess.run(
        [sys.executable, os.path.join(HERE, "kernel_oracle.py"),
         "--scenario", os.path.join(d, "scenario.json"),
         "--in", os.path.join(d, "in.pcap"), "--text", "--stable",
         "--json", out, *extra], stdout=subprocess.PIPE, text=True)
    if text:
        with open(text, "w") as f:
            f.write(r.stdout)
    return r.returncode


def essence(path, drawn):
    with open(path) as f:
        frames = json.load(f)["frames"]
    for r in frames:
        if r["n"] in drawn:
            for o in r["out"]:
                o["hex"] = ""
        ct = r["ct"] or {}
        yield (r["state"], r["dir"], r["verdict"], ct.get("state"),
               ct.get("timeout"), ct.get("flags"),
               [(e["event"], e.get("id"), e.get("state")) for e in r["events"]],
               [(o["side"], len(o["hex"])) for o in r["out"]],
               r.get("ct_log"))


def check(d, extra=()):
    new = os.path.join("/tmp", "kernel-oracle-check-%d.json" % os.getpid())
    rc = run(d, new, None, extra)
    if rc:
        return rc
    with open(os.path.join(d, "scenario.json")) as f:
        drawn = json.load(f).get("drawn", [])
    bad = 0
    a = list(essence(os.path.join(d, "result.json"), drawn))
    b = list(essence(new, drawn))
    for n, (x, y) in enumerate(zip(a, b)):
        if x != y:
            bad += 1
            print("  frame %d\n    kept %s\n    now  %s" % (n, x, y))
    os.unlink(new)
    return bad or len(a) != len(b)


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    fail = 0
    for name, fn in EX.items():
        if args and not any(name.startswith(a) for a in args):
            continue
        d = os.path.join(EXAMPLES, name)
        if "--check" in sys.argv:
            bad = check(d)
            fail += bool(bad)
            print("%-24s %s" % (name, "DIFFERS" if bad else "same"))
            continue
        Flow.ident = 100
        sc, pk = fn()
        os.makedirs(d, exist_ok=True)
        for i, q in enumerate(pk):
            q.time = 1700000000 + i * 0.01
        wrpcap(os.path.join(d, "in.pcap"), pk)
        with open(os.path.join(d, "scenario.json"), "w") as f:
            json.dump(sc, f, indent=1)
            f.write("\n")
        if "--run" in sys.argv:
            rc = run(d, os.path.join(d, "result.json"),
                     os.path.join(d, "account.txt"))
            fail += bool(rc)
            print("%-24s %3d frames  rc %d" % (name, len(pk), rc))
    sys.exit(1 if fail else 0)


if __name__ == "__main__":
    main()
