"""Tunables of connection tracking: every timeout by its name, accounting, checksums, how TCP is judged."""
from parts.builder import A, B, E, GW, IP, Raw, SRV, echo, masquerade, scenario, tcp, udp

TIMEOUTS = ("tcp_timeout_syn_sent", "tcp_timeout_syn_recv", "tcp_timeout_established", "tcp_timeout_fin_wait",
            "tcp_timeout_close_wait", "tcp_timeout_last_ack", "tcp_timeout_time_wait", "tcp_timeout_close",
            "tcp_timeout_max_retrans", "tcp_timeout_unacknowledged", "udp_timeout", "udp_timeout_stream", "icmp_timeout",
            "gre_timeout", "gre_timeout_stream", "generic_timeout")


def gre(src, dst, body=b"\0\0\x08\0payload"):
    """GRE of version 0."""
    return E() / IP(src=src, dst=dst, id=1, proto=47) / Raw(body)


@scenario("timeouts")
def timeouts(s):
    """Every timeout of IPv4 by its sysctl name, each with a number of its own."""
    s.keys["iptables"] = masquerade()
    s.keys["sysctls"] = {f"net.netfilter.nf_conntrack_{name}": 2000 + 100 * n for n, name in enumerate(TIMEOUTS)}
    s.note("TCP: a connection through all its states, one with a reset, one that repeats itself, a zero window")
    f = s.flow(A, 40000, SRV, 80, seen_client=GW)
    f.open()
    f.c2s("PA", b"question")
    f.s2c("PA", b"answer")
    f.c2s("A")
    f.c2s("FA")
    f.s2c("A")
    f.s2c("FA")
    f.c2s("A")
    g = s.flow(A, 40001, SRV, 80, seen_client=GW)
    g.open()
    g.c2s("PA", b"question")
    g.s2c("RA")
    h = s.flow(A, 40002, SRV, 80, seen_client=GW)
    h.open()
    for _ in range(5):
        h.c2s("PA", b"again", move=False)
    s.put(tcp(SRV, 80, GW, 40002, "A", 9001, 1001, window=0))
    s.note("simultaneous open, which has no tunable")
    s.put(tcp(A, 40003, SRV, 81), tcp(SRV, 81, GW, 40003))
    s.note("UDP, both ways and late; ICMP; GRE, both ways; a protocol that nobody knows")
    s.put(udp(A, 5000, SRV, 53), udp(SRV, 53, GW, 5000))
    s.step(sleep=2.2)
    s.put(udp(A, 5000, SRV, 53, ident=2), echo(A, SRV, 9), gre(A, SRV), gre(SRV, GW), gre(A, SRV))
    s.put(E() / IP(src=A, dst=SRV, id=1, proto=99) / Raw(b"what"))
    s.note("a timeout of 0 and one that changes meanwhile")
    s.step(sysctl={"net.netfilter.nf_conntrack_udp_timeout": 5})
    s.put(udp(B, 5001, SRV, 53))
    s.step(sysctl={"net.netfilter.nf_conntrack_udp_timeout": 4000})
    s.put(udp(B, 5001, SRV, 53, ident=2))
    s.step(flush=True)
    s.put(udp(B, 5002, SRV, 53))


@scenario("judging")
def judging(s):
    """max_retrans, ignore_invalid_rst, be_liberal, loose, checksums and accounting, turned on and off on the way."""
    s.note("one retransmission is enough")
    s.keys["sysctls"] = {"net.netfilter.nf_conntrack_tcp_max_retrans": 1}
    f = s.flow(A, 41000, SRV, 80)
    f.open()
    for _ in range(3):
        f.c2s("PA", b"again", move=False)
    s.note("a RST from before what is acknowledged: INVALID, then taken")
    g = s.flow(A, 41001, SRV, 80)
    g.open()
    g.c2s("PA", b"question")
    g.s2c("A")
    s.put(tcp(A, 41001, SRV, 80, "R", 1))
    s.step(sysctl={"net.netfilter.nf_conntrack_tcp_ignore_invalid_rst": 1})
    s.put(tcp(A, 41001, SRV, 80, "R", 1, ident=2), tcp(SRV, 80, A, 41001, "R", 1, ident=2))
    s.note("liberal: far outside of the window, a RST there, back again")
    h = s.flow(A, 41002, SRV, 80)
    h.open()
    s.put(tcp(A, 41002, SRV, 80, "A", 90000000, 9001, b"far"))
    s.step(sysctl={"net.netfilter.nf_conntrack_tcp_be_liberal": 1})
    s.put(tcp(A, 41002, SRV, 80, "A", 90000000, 9001, b"far"), tcp(A, 41002, SRV, 80, "R", 90000000))
    s.step(sysctl={"net.netfilter.nf_conntrack_tcp_be_liberal": 0, "net.netfilter.nf_conntrack_tcp_loose": 0})
    s.note("no connection begins in the middle; then it may")
    s.put(tcp(A, 41003, SRV, 80, "A", 5, 6))
    s.step(sysctl={"net.netfilter.nf_conntrack_tcp_loose": 1})
    s.put(tcp(A, 41003, SRV, 80, "A", 5, 6))
    s.note("checksums that nobody looks at; bytes that nobody counts")
    wrong, torn = udp(A, 5000, SRV, 53), tcp(A, 41004, SRV, 80)
    wrong["UDP"].chksum, torn["TCP"].chksum = 0x1234, 0x1234
    s.put(wrong, torn)
    s.step(sysctl={"net.netfilter.nf_conntrack_checksum": 0, "net.netfilter.nf_conntrack_acct": 0})
    s.put(wrong, torn, udp(A, 5001, SRV, 53))
    s.step(flush=True)
    s.put(udp(B, 5002, SRV, 53))
