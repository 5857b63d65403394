"""Headers that rules change on their way to a host of the router itself."""
from parts.builder import A, A6, E6, IN6_GW, IN_GW, IPv6, Raw, S6, SRV, scenario, table, tcp, udp
from parts.ipv6 import ping6, six, tcp6, udp6
from scapy.all import IPv6ExtHdrDestOpt, IPv6ExtHdrFragment

SERVICES = [{"proto": "udp", "port": 53, "addr": "::", "reply": "answer"}, {"proto": "udp", "port": 7, "addr": "::"}]
CHANGES = ["-A PREROUTING -p udp -m udp --sport 1001 -j TOS --set-tos 0x10/0xff",
           "-A PREROUTING -p udp -m udp --sport 1002 -j DSCP --set-dscp 0x2e",
           "-A INPUT -p udp -m udp --sport 1003 -j TOS --set-tos 0x10/0xff",
           "-A PREROUTING -p udp -m udp --sport 1004 -j HL --hl-set 64",
           "-A INPUT -p udp -m udp --sport 1005 -j HL --hl-inc 1",
           "-A PREROUTING -p udp -m udp --sport 1006 -j HL --hl-dec 3",
           "-A INPUT -p udp -m udp --sport 1006 -j HL --hl-inc 3",
           "-A INPUT -p tcp -j HL --hl-set 9", "-A INPUT -p ipv6-icmp -j HL --hl-set 9"]


@scenario("ipv6-amended")
def amended(s):
    """UDP believes the sum that tracking made; what a rule has changed since is off it. Not when it is short or untracked."""
    six(s, table("raw", "-A PREROUTING -s fd00:1::20/128 -j CT --notrack"), table("mangle", *CHANGES))
    s.keys["local_services"] = SERVICES
    s.note("each change, with datagrams of 76 bytes and of 77, to a service and to nobody")
    for sport in range(1000, 1007):
        for size in (68, 69):
            s.put(udp6(A6, sport, IN6_GW, 53, bytes(range(size))), udp6(A6, sport, IN6_GW, 9, bytes(range(size))))
    s.note("untracked")
    for sport in (1001, 1005):
        s.put(udp6("fd00:1::20", sport, IN6_GW, 53, bytes(100)), udp6("fd00:1::20", sport, IN6_GW, 9, bytes(100)))
    s.note("other protocols sum anew, whatever their length")
    s.put(ping6(A6, IN6_GW, data=bytes(100)), tcp6(A6, 5000, IN6_GW, 80, data=bytes(100), flags="S"))
    s.note("passing through")
    s.put(udp6(A6, 1001, "2001:db8:2::7", 53, bytes(100)))
    s.note("nothing is verified")
    s.step(sysctl={"net.netfilter.nf_conntrack_checksum": 0})
    for sport in (1001, 1005):
        s.put(udp6(A6, sport, IN6_GW, 53, bytes(100)), udp6(A6, sport, IN6_GW, 9, bytes(100)))


@scenario("amended")
def amended_v4(s):
    """The same over IPv4, whose header sums up to nothing: all of it is taken."""
    changes = [line.replace("HL --hl", "TTL --ttl") for line in CHANGES if "icmp" not in line]
    s.keys["iptables"] = table("mangle", *changes)
    s.keys["local_services"] = [service | {"addr": ""} for service in SERVICES]
    for sport in range(1000, 1007):
        for size in (68, 69):
            s.put(udp(A, sport, IN_GW, 53, bytes(range(size))), udp(A, sport, IN_GW, 9, bytes(range(size))))
    s.put(tcp(A, 5000, IN_GW, 80), udp(A, 1001, SRV, 53, bytes(100)))


def told_itself(s, server, host, own, no, maker):
    """What rejects a segment rejects its reset, too, and the router is told of its own."""
    s.note("to closed ports and rejected ones; every second answer may leave")
    for n, dport in enumerate((80, 80, 81, 81, 5050)):
        s.put(maker(server, 5000 + n, own, dport), maker(server, 5100 + n, own, dport, flags="A", ack=77))
    s.note("datagrams")
    for n in range(4):
        s.put(no(server, 6000 + n, own, 9))
    s.put(maker(host, 7000, own, 80))


@scenario("local-told-itself")
def told_itself_v4(s):
    """An error about the router's own reset goes to the router: what became of the segment is said before."""
    s.keys["iptables"] = table("filter", "-A INPUT -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset",
                               "-A INPUT -p udp -m udp --dport 9 -j REJECT",
                               f"-A OUTPUT ! -d {A}/32 -m statistic --mode nth --every 2 --packet 0 -j REJECT --reject-with icmp-admin-prohibited")
    told_itself(s, SRV, A, "203.0.113.1", udp, tcp)


@scenario("ipv6-told-itself")
def told_itself_v6(s):
    """The same over IPv6."""
    six(s, table("filter", "-A INPUT -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset",
                 "-A INPUT -p udp -m udp --dport 9 -j REJECT",
                 f"-A OUTPUT ! -d {A6}/128 -m statistic --mode nth --every 2 --packet 0 -j REJECT --reject-with icmp6-adm-prohibited"))
    told_itself(s, S6, A6, "2001:db8:1::1", udp6, tcp6)


@scenario("ipv6-mobility")
def mobility(s):
    """Mobility headers: one that something follows, or that ends early, is dropped by any rule that asks for its type."""
    six(s, table("filter", "-A FORWARD -i outside -j ACCEPT", "-A FORWARD -d 2001:db8:2::8/128 -j ACCEPT",
                 "-A FORWARD -p mobility-header -m mh --mh-type 1:5", "-A FORWARD -p mobility-header -m mh ! --mh-type 1:5",
                 "-A INPUT -p mobility-header -m mh --mh-type 5"))

    def message(kind, follows=59, length=0, data=bytes(2)):
        return bytes([follows, length, kind, 0, 0, 0]) + data
    kinds = [message(kind) for kind in (0, 1, 3, 5, 6, 255)]
    odd = [message(5, follows) for follows in (6, 17, 0, 58)] + [message(5, length=9), message(5)[:5], message(5)[:6], message(5)[:3], b""]
    for to in ("2001:db8:2::7", "2001:db8:2::8", IN6_GW):
        for payload in kinds + odd:
            s.put(E6() / IPv6(src=A6, dst=to, nh=135) / Raw(payload))
    s.note("in pieces, the first of which is too short for a message, and behind destination options")
    s.put(E6() / IPv6(src=A6, dst="2001:db8:2::7") / IPv6ExtHdrDestOpt(nh=135) / Raw(message(5)))
    s.put(E6() / IPv6(src=A6, dst="2001:db8:2::7") / IPv6ExtHdrDestOpt(nh=135) / Raw(message(5, 17)))


@scenario("marks-lost")
def lost(s):
    """A mark that a connection loses is told of as 0; one that it never had is not told of."""
    s.keys["iptables"] = table("mangle", "-A PREROUTING -i outside -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff",
                               "-A PREROUTING -i outside -p udp -m udp --sport 54 -j CONNMARK --set-xmark 0x9/0xffffffff",
                               "-A POSTROUTING -o outside -p udp -m udp --dport 53:54 -j CONNMARK --set-xmark 0x7/0xffffffff",
                               "-A POSTROUTING -o outside -p tcp -j CONNMARK --set-xmark 0x7/0x7")
    for port in (53, 54, 55):
        s.put(udp(A, 5000, SRV, port), udp(SRV, port, A, 5000), udp(A, 5000, SRV, port), udp(SRV, port, A, 5000))
    s.put(tcp(A, 5000, SRV, 80), tcp(SRV, 80, A, 5000, "SA", 7, 1001), tcp(A, 5000, SRV, 80, "A", 1001, 8),
          tcp(SRV, 80, A, 5000, "R", 8))
    s.step(flush=True)
    s.put(udp(A, 5000, SRV, 53))


@scenario("local-answers-cut")
def answers_cut(s):
    """A service's answer that goes where less fits at once is cut, whatever its header says; what is sent raw is not."""
    s.keys["outside"]["mtu"] = 1000
    s.keys["iptables"] = table("nat", f"-A OUTPUT -p udp -m udp --sport 7 -j DNAT --to-destination {SRV}")
    s.keys["local_services"] = [{"proto": "udp", "port": 7}, {"proto": "udp", "port": 53, "reply": "answer " * 200}]
    for size in (972, 973, 1400, 1472):
        s.put(udp(A, 5000 + size, IN_GW, 7, bytes(size)), udp(SRV, 5000 + size, "203.0.113.1", 7, bytes(size)))
    s.put(udp(A, 5000, IN_GW, 53), udp(SRV, 5000, "203.0.113.1", 53))
    s.put(udp(IN_GW, 7, A, 9000, bytes(1400), flags="DF"), udp(IN_GW, 7, A, 9001, bytes(1400)), side="local")


@scenario("ipv6-fragments-own")
def fragments_own(s):
    """Fragments that the router's own sockets send: whoever sends what does not fit the others is told, a copy is not."""
    six(s, table("filter"))

    def part(offset, data, more=1, number=9):
        return E6() / IPv6(src="2001:db8:1::1", dst=S6) / IPv6ExtHdrFragment(nh=17, offset=offset, m=more, id=number) / Raw(data)
    s.put(part(0, bytes(16)), part(0, bytes(16)), part(1, bytes(16)), part(0, bytes(16)), part(2, bytes(8), 0))
    s.put(part(0, bytes(16), number=10), part(2, bytes(8), 0, 10), part(2, bytes(8), 0, 10))
    s.put(part(0, bytes(15), number=11), part(1, bytes(8), number=11), part(4, bytes(8), 0, 11), part(6, bytes(8), number=11))
