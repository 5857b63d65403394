"""Prefix translation of IPv6 (RFC 6296): there, back, in errors, of the router's own, and what cannot be translated."""
from parts.builder import A6, B6, GW6, S6, scenario, table
from parts.ipv6 import HOP, error6, ping6, six, tcp6, udp6
from scapy.all import ICMPv6DestUnreach, ICMPv6TimeExceeded


@scenario("ipv6-npt")
def npt(s):
    """Networks of 48, 56 and 64 bits, with and without tracking; quoted packets; sums of zero and ones."""
    s48, s64, odd = "2001:db8:48::/48", "2001:db8:1:64::/64", "2001:db8:1:5600::/56"
    six(s, table("raw", "-A PREROUTING -p udp -m udp --dport 1000:1999 -j CT --notrack", "-A PREROUTING -p udp -m udp --sport 1000:1999 -j CT --notrack"),
        table("mangle", f"-A POSTROUTING -s fd00:48::/48 -o outside -j SNPT --src-pfx fd00:48::/48 --dst-pfx {s48}",
              f"-A PREROUTING -d {s48} -i outside -j DNPT --src-pfx {s48} --dst-pfx fd00:48::/48",
              f"-A POSTROUTING -s fd00:64::/64 -o outside -j SNPT --src-pfx fd00:64::/64 --dst-pfx {s64}",
              f"-A PREROUTING -d {s64} -i outside -j DNPT --src-pfx {s64} --dst-pfx fd00:64::/64",
              f"-A POSTROUTING -s fd00:56:0:100::/56 -o outside -j SNPT --src-pfx fd00:56:0:100::/56 --dst-pfx {odd}",
              "-A POSTROUTING -s 2001:db8:1::1/128 -o outside -p udp -m udp --sport 9 -j SNPT --src-pfx 2001:db8:1::/48 --dst-pfx 2001:db8:99::/48",
              "-A OUTPUT -d 2001:db8:98::/48 -j DNPT --src-pfx 2001:db8:98::/48 --dst-pfx 2001:db8:2::/48"),
        routes=[{"dst": f"fd00:{n}::/32", "via": "fd00:1::10", "dev": "inside"} for n in (48, 56, 64)])
    s.note("each prefix, tracked and not; what comes back finds its way without any memory")
    hosts = ["fd00:48::1", "fd00:48:0:1::1234", "fd00:48:0:ffff::7", "fd00:64::1", "fd00:64::ffff:0:0:1",
             "fd00:56:0:101::5", "fd00:56:0:1ff:ffff::5"]
    for host in hosts:
        for sport, dport in ((5000, 53), (5000, 1000)):
            s.put(udp6(host, sport, S6, dport), side="inside")
        s.put(tcp6(host, 6000, S6, 80), ping6(host, S6), side="inside")
    s.note("from outside: to each network, to every word of ones and zeros")
    for to in ("2001:db8:48:1::1", "2001:db8:48:ffff::1", "2001:db8:48::1", "2001:db8:1:64::1", "2001:db8:1:64:ffff:ffff:ffff:ffff", "2001:db8:1:64:ffff::3"):
        s.put(udp6(S6, 53, to, 5000), udp6(S6, 1000, to, 5000))
    s.note("errors quote the translated and the own address")
    s.put(error6(HOP, "2001:db8:48:1::1", ICMPv6DestUnreach(code=4), udp6("2001:db8:48:1::1", 5000, S6, 1000)),
          error6(HOP, "2001:db8:48:1::1", ICMPv6TimeExceeded(), udp6("2001:db8:1:64::1", 5000, S6, 1000)))
    s.put(error6("fd00:48::1", S6, ICMPv6DestUnreach(code=4), udp6(S6, 1000, "fd00:48::1", 5000)),
          error6("fd00:48::1", S6, ICMPv6DestUnreach(code=4), udp6(S6, 1000, "2001:db8:48::1", 5000)), side="inside")
    s.note("of the router itself")
    s.put(udp6(GW6, 9, S6, 53), udp6(GW6, 10, "2001:db8:98::7", 53))
    s.note("others stay as they are")
    s.put(udp6(A6, 5000, S6, 53), udp6(B6, 5000, S6, 1000))
    s.note("none of the words behind the prefix can change: the sender is told, at the address that its packet has by then")
    for host in ("fd00:64::ffff:ffff:ffff:ffff", "fd00:56:0:1ff:ffff:ffff:ffff:ffff"):
        s.put(udp6(host, 5000, S6, 53), udp6(host, 5000, S6, 1000), side="inside")
