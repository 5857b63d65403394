"""Matches that remember packets: recent, hashlimit, connlimit."""
from parts.builder import A, A6, B, GW6, IN6_GW, S6, SRV, masquerade, scenario, table, tcp, udp
from parts.ipv6 import udp6


@scenario("rules-recent")
def recent(s):
    """recent: set, rcheck, update, remove, seconds, hitcount, rttl, masks, both ends, negation."""
    s.keys["iptables"] = table(
        "filter",
        "-A FORWARD -p udp --dport 1 -m recent --name ssh --update --seconds 5 --hitcount 3 -j DROP",
        "-A FORWARD -p udp --dport 1 -m recent --name ssh --set -j ACCEPT",
        "-A FORWARD -p udp --dport 2 -m recent --name ssh --rcheck --seconds 2 -j ACCEPT",
        "-A FORWARD -p udp --dport 3 -m recent --name ssh --remove -j ACCEPT",
        "-A FORWARD -p udp --dport 4 -m recent --name nets --mask 255.255.255.0 --set -j ACCEPT",
        "-A FORWARD -p udp --dport 5 -m recent --name nets --mask 255.255.255.0 --rcheck -j ACCEPT",
        "-A FORWARD -p udp --dport 6 -m recent --name to --rdest --set -j ACCEPT",
        "-A FORWARD -p udp --dport 7 -m recent --name to --rdest ! --rcheck -j ACCEPT",
        "-A FORWARD -p udp --dport 8 -m recent --name ttl --set -j ACCEPT",
        "-A FORWARD -p udp --dport 9 -m recent --name ttl --rcheck --rttl -j ACCEPT",
        "-A FORWARD -p udp --dport 10 -m recent --name reap --set -j ACCEPT",
        "-A FORWARD -p udp --dport 11 -m recent --name reap --rcheck --seconds 1 --reap -j ACCEPT",
        "-A FORWARD -p udp --dport 12 -m recent --name reap --rcheck -j ACCEPT",
        "-A FORWARD -p udp --dport 13 -m recent --name reap ! --set -j ACCEPT",
        FORWARD="DROP")
    s.note("two are noted, the third and fourth are too many; another source has its own count")
    s.put(*[udp(A, 5000 + n, SRV, 1) for n in range(4)], udp(B, 5004, SRV, 1))
    s.note("checked, forgotten, checked again")
    s.put(udp(A, 5010, SRV, 2), udp(A, 5011, SRV, 3), udp(A, 5012, SRV, 3), udp(A, 5013, SRV, 2))
    s.note("masked: the neighbour in the same network is known too; negated, by destination")
    s.put(udp(B, 5020, SRV, 5), udp(A, 5021, SRV, 4), udp(B, 5022, SRV, 5))
    s.put(udp(A, 5030, SRV, 7), udp(A, 5031, SRV, 6), udp(B, 5032, SRV, 7), udp(B, 5033, "198.51.100.8", 7))
    s.note("another TTL is somebody else")
    other = udp(A, 5042, SRV, 9)
    other.ttl = 33
    s.put(udp(A, 5040, SRV, 8), udp(A, 5041, SRV, 9), other)
    s.note("too old to count, and reaped")
    s.put(udp(A, 5050, SRV, 10), udp(B, 5051, SRV, 1))
    s.step(sleep=2.5)
    s.put(udp(B, 5052, SRV, 2), udp(A, 5053, SRV, 11), udp(A, 5054, SRV, 12), udp(A, 5055, SRV, 13))
    s.note("after the ban has run out")
    s.step(sleep=5.2)
    s.put(*[udp(A, 5060 + n, SRV, 1) for n in range(3)])


@scenario("rules-hashlimit")
def hashlimit(s):
    """hashlimit: groups by both ends and ports, masks, above and upto, bytes, a full table, running out, rate-match."""
    s.keys["iptables"] = table(
        "filter",
        "-A FORWARD -p udp --dport 1 -m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 2 --hashlimit-mode srcip"
        " --hashlimit-name one -j ACCEPT",
        "-A FORWARD -p udp --dport 2:3 -m hashlimit --hashlimit-above 1/min --hashlimit-burst 1"
        " --hashlimit-mode dstip,dstport --hashlimit-name two -j DROP",
        "-A FORWARD -p udp --dport 2:3 -j ACCEPT",
        "-A FORWARD -p udp --dport 4 -m hashlimit --hashlimit-upto 1/min --hashlimit-burst 1 --hashlimit-mode srcip"
        " --hashlimit-srcmask 24 --hashlimit-name three -j ACCEPT",
        "-A FORWARD -p udp --dport 5 -m hashlimit --hashlimit-upto 1kb/s --hashlimit-mode srcip --hashlimit-name four"
        " -j ACCEPT",
        "-A FORWARD -p udp --dport 6 -m hashlimit --hashlimit-upto 1kb/s --hashlimit-burst 2kb --hashlimit-mode srcip"
        " --hashlimit-name five -j ACCEPT",
        "-A FORWARD -p udp --dport 7 -m hashlimit --hashlimit-upto 10/sec --hashlimit-mode srcport --hashlimit-htable-size 1"
        " --hashlimit-htable-max 2 --hashlimit-htable-expire 900 --hashlimit-htable-gcinterval 300 --hashlimit-name six"
        " -j ACCEPT",
        "-A FORWARD -p udp --dport 8 -m hashlimit --hashlimit-upto 2/sec --hashlimit-burst 1 --hashlimit-rate-match"
        " --hashlimit-rate-interval 1 --hashlimit-name seven -j ACCEPT",
        FORWARD="DROP")
    s.note("two at once, one a second, each source alone")
    s.put(*[udp(A, 5000 + n, SRV, 1) for n in range(3)], udp(B, 5003, SRV, 1))
    s.note("one for each destination and port")
    s.put(udp(A, 5010, SRV, 2), udp(B, 5011, SRV, 2), udp(A, 5012, SRV, 3), udp(A, 5013, "198.51.100.8", 2))
    s.note("a whole network is one source")
    s.put(udp(A, 5020, SRV, 4), udp(B, 5021, SRV, 4))
    s.note("bytes of a second; a burst is a second second")
    s.put(*[udp(A, 5030 + n, SRV, 5, bytes(272)) for n in range(5)])
    s.put(*[udp(A, 5040 + n, SRV, 6, bytes(472)) for n in range(7)])
    s.note("a table for two; the third is dropped at once")
    s.put(udp(A, 5050, SRV, 7), udp(A, 5051, SRV, 7), udp(A, 5052, SRV, 7), udp(A, 5050, SRV, 7))
    s.note("a rate by intervals")
    s.put(*[udp(A, 5060 + n, SRV, 8) for n in range(5)])
    s.step(sleep=1.6)
    s.put(*[udp(A, 5070 + n, SRV, 1) for n in range(3)], udp(A, 5080, SRV, 5, bytes(272)), udp(A, 5052, SRV, 7))
    s.put(udp(A, 5065, SRV, 8), udp(A, 5066, SRV, 8))


@scenario("rules-connlimit")
def connlimit(s):
    """connlimit: by source, by destination, by network; closed connections do not count."""
    s.keys["iptables"] = table(
        "filter",
        "-A FORWARD -p tcp --dport 80 --syn -m connlimit --connlimit-above 2 -j REJECT --reject-with tcp-reset",
        "-A FORWARD -p udp --dport 1 -m connlimit --connlimit-upto 2 --connlimit-daddr -j ACCEPT",
        "-A FORWARD -p udp --dport 2 -m connlimit --connlimit-above 1 --connlimit-mask 24 -j DROP",
        "-A FORWARD -p tcp -j ACCEPT",
        "-A FORWARD -p udp --dport 2 -j ACCEPT",
        FORWARD="DROP")
    s.note("three from one source: the third is refused; another source has its own")
    for n in range(3):
        s.step(sleep=0.03)
        s.put(tcp(A, 4000 + n, SRV, 80))
    s.step(sleep=0.03)
    s.put(tcp(B, 4010, SRV, 80))
    s.note("one is closed: there is room again")
    s.put(tcp(SRV, 80, A, 4000, "SA", seq=0, ack=1001), tcp(A, 4000, SRV, 80, "A", seq=1001, ack=1))
    s.put(tcp(SRV, 80, A, 4000, "R", seq=1, ack=1001))
    s.step(sleep=0.03)
    s.put(tcp(A, 4005, SRV, 80))
    s.note("by destination, whoever asks")
    for n, source in enumerate((A, B, A)):
        s.step(sleep=0.03)
        s.put(udp(source, 5000 + n, SRV, 1))
    s.step(sleep=0.03)
    s.put(udp(A, 5000, SRV, 1), udp(A, 5004, "198.51.100.8", 1))
    s.note("a network")
    s.step(sleep=0.03)
    s.put(udp(A, 5010, SRV, 2))
    s.step(sleep=0.03)
    s.put(udp(B, 5011, SRV, 2))
    s.step(sleep=0.03)
    s.put(udp(A, 5010, SRV, 2))
    s.step(sleep=1.6)
    s.put(udp(A, 5099, SRV, 99))


@scenario("rules-connlimit-zones")
def connlimit_zones(s):
    """connlimit counts by a zone's number, whatever its direction."""
    s.keys["iptables"] = table("raw", "-A PREROUTING -i inside -p tcp --dport 80 -j CT --zone-orig 5",
                               "-A PREROUTING -i inside -p tcp --dport 443 -j CT --zone 5",
                               "-A PREROUTING -i inside -p tcp --dport 444 -j CT --zone 6") + table(
        "filter", "-A FORWARD -p tcp --syn -m connlimit --connlimit-above 1 -j DROP")
    for n, port in enumerate((80, 443, 444, 25)):
        s.step(sleep=0.03)
        s.put(tcp(A, 4000 + n, SRV, port))
    s.step(sleep=1.6)
    s.put(udp(A, 5099, SRV, 99))


def averages():
    asked = [f"-A FORWARD -m connbytes {what} --connbytes-mode avgpkt --connbytes-dir reply"
             for what in ("--connbytes 0:60", "! --connbytes 0:60", "--connbytes 1:", "--connbytes 0", "! --connbytes 87:87", "--connbytes 87:87")]
    return table("filter", *asked)


@scenario("rules-average")
def average(s):
    """connbytes: the average of a direction without packets is 0."""
    s.keys["iptables"] = averages()
    s.put(udp(A, 4000, SRV, 9), udp(SRV, 9, A, 4000, b"a longer answer, of more bytes than sixty less twenty-eight"), udp(A, 4000, SRV, 9, ident=2))


@scenario("rules-uncounted")
def uncounted(s):
    """connbytes of a connection that nobody counts says no, even turned over: accounting was switched off behind the rules."""
    s.keys["iptables"] = averages()
    s.keys["sysctls"] = {"net.netfilter.nf_conntrack_acct": 0}
    s.put(udp(A, 4000, SRV, 9), udp(SRV, 9, A, 4000), udp(A, 4000, SRV, 9, ident=2))


@scenario("rules-shared")
def shared(s):
    """What rules of both families share: sets of ports, a set of sets; lists of recent, whose room is one; not hashlimit."""
    s.keys["inside"]["addrs"].append(f"{IN6_GW}/64")
    s.keys["outside"]["addrs"].append(f"{GW6}/64")
    s.keys["routes"] = [{"dst": "default", "via": "203.0.113.254", "dev": "outside"}, {"dst": "default", "via": "2001:db8:1::fe", "dev": "outside"}]
    s.keys["setup"] = [
        "ipset create ports bitmap:port range 1-100", "ipset create v4 hash:ip", "ipset create v6 hash:ip family inet6",
        "ipset create both list:set", "ipset add both v4", "ipset add both v6",
    ]
    rules = [
        "-A FORWARD -p udp --dport 1 -j SET --add-set ports src", "-A FORWARD -p udp --dport 2 -m set --match-set ports src -j DROP",
        "-A FORWARD -p udp --dport 3 -j SET --add-set both src", "-A FORWARD -p udp --dport 4 -m set --match-set both src -j DROP",
        "-A FORWARD -p udp --dport 4 -m set --match-set OWN src -j DROP",
        "-A FORWARD -p udp --dport 5 -m recent --name seen --set", "-A FORWARD -p udp --dport 6 -m recent --name seen --rcheck -j DROP",
        "-A FORWARD -p udp --dport 7 -m hashlimit --hashlimit-name h --hashlimit-upto 1/hour --hashlimit-burst 1 -j ACCEPT",
        "-A FORWARD -p udp --dport 7 -j DROP",
    ]
    for key, own in (("iptables", "v4"), ("ip6tables", "v6")):
        s.keys[key] = table("filter", *(rule.replace("OWN", own) for rule in rules))
    s.note("a port that a packet of IPv6 has put into the set is there for IPv4, and the other way round")
    s.put(udp(A, 10, SRV, 2), udp6(A6, 10, S6, 1), udp(A, 10, SRV, 2, ident=2), udp(A, 11, SRV, 1), udp6(A6, 11, S6, 2))
    s.note("a set of sets takes an address into the one of its family")
    s.put(udp(A, 20, SRV, 3), udp6(A6, 20, S6, 4), udp6(A6, 20, S6, 3), udp6(A6, 20, S6, 4), udp(A, 20, SRV, 4))
    s.note("recent: each family finds its own; a hundred of the other one push it out")
    s.put(udp(A, 30, SRV, 5), udp6(A6, 30, S6, 6), udp(A, 30, SRV, 6))
    s.put(*(udp6(f"fd00:1::1:{n:x}", 31, S6, 5) for n in range(100)))
    s.put(udp(A, 30, SRV, 6, ident=3), udp6("fd00:1::1:9", 31, S6, 6))
    s.note("hashlimit: each family has a table of the name")
    s.put(udp(A, 40, SRV, 7), udp6(A6, 40, S6, 7), udp(A, 40, SRV, 7, ident=2), udp6(A6, 40, S6, 7))
