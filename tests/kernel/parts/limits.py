"""Matches that look at the clock."""
from parts.builder import A, B, SRV, scenario, table, udp


@scenario("limit")
def limit(s):
    """limit: bursts, refilling in real time, two rules with their own tokens, negation by order."""
    s.keys["iptables"] = table(
        "filter",
        "-A FORWARD -p udp -m udp --dport 1 -m limit --limit 1/hour --limit-burst 3 -j ACCEPT",
        "-A FORWARD -p udp -m udp --dport 2 -m limit --limit 1/sec --limit-burst 2 -j ACCEPT",
        "-A FORWARD -p udp -m udp --dport 3 -m limit --limit 10/min -j ACCEPT",
        "-A FORWARD -p udp -m udp --dport 4 -m limit --limit 1/day --limit-burst 1 -j first",
        "-A FORWARD -p udp -m udp --dport 4 -m limit --limit 1/day --limit-burst 1 -j ACCEPT",
        "-A first -s 192.168.1.20/32 -j ACCEPT",
        chains=("first",), FORWARD="DROP")
    s.note("one an hour, three at once: three pass")
    s.put(*[udp(A, 5000 + n, SRV, 1) for n in range(5)])
    s.note("one a second, two at once; after 1.5 s one more; after 3.4 s two")
    s.put(*[udp(A, 5100 + n, SRV, 2) for n in range(3)])
    s.step(sleep=1.5)
    s.put(*[udp(A, 5110 + n, SRV, 2) for n in range(2)])
    s.step(sleep=3.4)
    s.put(*[udp(A, 5120 + n, SRV, 2) for n in range(3)])
    s.note("the default burst of five")
    s.put(*[udp(A, 5200 + n, SRV, 3) for n in range(6)])
    s.note("a token is spent by a match even if the rule's chain returns; each rule has its own")
    s.put(udp(A, 5300, SRV, 4), udp(B, 5301, SRV, 4), udp(B, 5302, SRV, 4))
    s.note("the hour is not over")
    s.put(udp(A, 5400, SRV, 1))
