"""Zones of one direction and of a mark, timeout policies, and what is told about packets that keep their connection."""
from parts.builder import (A, A6, B, B6, E, E6, GW, IN_GW, IP, IPv6, Raw, S6, SRV, UDP, echo, icmp, masquerade, scenario, table,
                           tcp, udp)
from parts.sctp import chunk, sctp
from parts.tunables import gre

OTHER = "198.51.100.8"


def raw(*rules):
    """Rules of the raw table's PREROUTING."""
    return table("raw", *[f"-A PREROUTING {rule}" for rule in rules])


@scenario("zones")
def zones(s):
    """CT --zone, --zone-orig and --zone-reply by number and by mark: who finds whom, NAT and errors between them."""
    s.keys["iptables"] = raw("-s 192.168.1.10 -j CT --zone-orig 5", "-s 192.168.1.20 -p udp --dport 53 -j CT --zone-orig 6",
                             "-s 192.168.1.20 -p udp --dport 54 -j CT --zone-reply 6",
                             "-s 192.168.1.20 -p udp --dport 55 -j MARK --set-xmark 0x10007/0xffffffff",
                             "-s 192.168.1.20 -p udp --dport 55 -j CT --zone mark",
                             "-s 192.168.1.20 -p udp --dport 56 -j CT --zone-orig mark",
                             "-i outside -s 198.51.100.8 -j CT --zone 6") + masquerade()
    s.note("the answers come in zone 0, where both ask from; a second packet of each, and errors about them")
    for host in (A, B):
        s.put(udp(host, 5000, SRV, 53))
        s.answer(udp(SRV, 53, GW, 5000))
        s.put(udp(host, 5000, SRV, 53, ident=2))
    s.put(icmp(SRV, GW, 3, 3, udp(GW, 5000, SRV, 53)["IP"]))
    s.note("zone of the replies only: questions in zone 0, the answers are somebody else's; and found when they come in it")
    s.put(udp(B, 5001, SRV, 54))
    s.answer(udp(SRV, 54, GW, 5001))
    s.put(udp(B, 5001, OTHER, 54))
    s.answer(udp(OTHER, 54, GW, 5001))
    s.note("the mark's low half is the zone; without a mark zone 0, whatever direction is named")
    s.put(udp(B, 5002, SRV, 55), udp(B, 5002, SRV, 55, ident=2))
    s.answer(udp(SRV, 55, GW, 5002))
    s.put(udp(B, 5003, SRV, 56))
    s.answer(udp(SRV, 56, GW, 5003))
    s.note("the same ports in two zones of one direction: their answers are told apart by NAT, which looks at zone 0")
    s.put(tcp(A, 6000, SRV, 80), tcp(B, 6000, SRV, 80), tcp(A, 6000, SRV, 81))
    s.answer(tcp(SRV, 80, GW, 6000, "SA", 9000, 1001), frame=len(s.packets) - 3)
    s.note("this host's own packets, and to itself")
    s.put(echo(A, IN_GW), echo(IN_GW, B), echo(B, IN_GW, reply=True))


@scenario("zones-halves")
def zones_halves(s):
    """A flow whose second half is taken for another connection, since the first one's answers are looked for in another zone."""
    s.keys["iptables"] = raw("-i outside -j CT --zone-reply 5") + table("nat")
    s.put(udp(SRV, 5002, A, 81), udp(A, 81, SRV, 5002), udp(SRV, 5002, A, 81, ident=2))
    s.put(udp(A, 82, SRV, 5002), udp(SRV, 5002, A, 82), udp(A, 82, SRV, 5002, ident=2))
    s.put(tcp(SRV, 5003, A, 83), tcp(A, 83, SRV, 5003, "SA", 9000, 1001), tcp(A, 84, SRV, 5003))


@scenario("ipv6-zones")
def ipv6_zones(s):
    """Zones of one direction over IPv6: a tuple that two connections have is found in the newer one."""
    s.keys["inside"] = {"addrs": ["fd00:1::1/64"]}
    s.keys["outside"] = {"addrs": ["2001:db8:1::1/64"]}
    s.keys["routes"] = [{"dst": "default", "via": "2001:db8:1::254", "dev": "outside"}]
    s.keys["ip6tables"] = raw(f"-s {S6} -i outside -j CT --zone-reply 5", f"-s {B6} -j CT --zone-orig 6")

    def datagram(src, sport, dst, dport, body=b"x"):
        return E6() / IPv6(src=src, dst=dst) / UDP(sport=sport, dport=dport) / Raw(body)
    s.put(datagram(A6, 6000, S6, 53), datagram(S6, 53, A6, 6000), datagram(S6, 53, A6, 6000, b"again"), datagram(A6, 6000, S6, 53))
    s.put(datagram(B6, 6000, S6, 53), datagram(S6, 53, B6, 6000), datagram(B6, 6000, S6, 53))


@scenario("timeout-policies")
def timeout_policies(s):
    """CT --timeout: policies of every protocol, what they do not say, and a tunable that changes behind them."""
    made = {"ptcp": "tcp syn_sent 33 established 1111 close 7 unacknowledged 222 retrans 111 fin_wait 44", "pudp": "udp unreplied 11 replied 99",
            "pall": "generic timeout 66", "picm": "icmp timeout 22", "pgre": "gre unreplied 12 replied 88", "plit": "udplite unreplied 13",
            "psct": "sctp closed 14 cookie_wait 15"}
    s.keys["setup"] = [f"nfct add timeout {name} inet {what}" for name, what in made.items()]
    s.keys["known_timeouts"] = [33, 1111, 7, 222, 111, 44, 11, 99, 66, 22, 12, 88, 13, 14, 15]
    s.keys["iptables"] = raw("-p tcp -j CT --timeout ptcp", "-p udp --dport 53 -j CT --timeout pudp", "-p 99 -j CT --timeout pall",
                             "-p icmp -j CT --timeout picm", "-p gre -j CT --timeout pgre", "-p udplite -j CT --timeout plit",
                             "-p sctp -j CT --timeout psct --zone 3") + masquerade()
    f = s.flow(A, 40000, SRV, 80, seen_client=GW)
    f.open()
    f.c2s("PA", b"question")
    for _ in range(4):
        f.c2s("PA", b"again", move=False)
    f.s2c("A")
    f.c2s("FA")
    f.s2c("RA")
    s.put(udp(A, 5000, SRV, 53), udp(SRV, 53, GW, 5000), udp(A, 5001, SRV, 54))
    s.step(sleep=2.2)
    s.put(udp(A, 5000, SRV, 53, ident=2), echo(A, SRV, 9), echo(SRV, GW, 9, reply=True))
    s.note("a tunable that changes: a policy that does not name it keeps what it was; GRE settles at its start")
    s.step(sysctl={"net.netfilter.nf_conntrack_tcp_timeout_syn_recv": 77, "net.netfilter.nf_conntrack_gre_timeout": 5})
    s.put(tcp(A, 40001, SRV, 80), tcp(SRV, 80, GW, 40001, "SA", 9000, 1001))
    s.put(gre(A, SRV), gre(SRV, GW), gre(A, SRV))
    s.put(E() / IP(src=A, dst=SRV, id=1, proto=99) / Raw(b"what"), E() / IP(src=A, dst=SRV, id=1, proto=136) / Raw(bytes.fromhex("138800350000000061626364")))
    s.put(sctp(A, 7000, SRV, 9, 5, chunk(4)))
    s.step(flush=True)
    s.put(udp(B, 5002, SRV, 54))


@scenario("answers-keep")
def answers_keep(s):
    """Errors of the router about a protocol that it has not are part of the connection they are about, whatever raw says; those
    about untracked packets are tracked, whatever raw says."""
    s.keys["iptables"] = table("raw", "-A PREROUTING -s 192.168.1.20 -j CT --notrack", "-A OUTPUT -j CT --notrack",
                               "-A PREROUTING -p gre -j CT --zone 5") + \
        table("mangle", "-A OUTPUT -j CONNMARK --set-xmark 0x7/0xffffffff") + \
        table("filter", "-A FORWARD -s 192.168.1.20 -p tcp -j REJECT --reject-with tcp-reset", "-A FORWARD -s 192.168.1.20 -j REJECT")
    s.put(E() / IP(src=A, dst=IN_GW, id=1, proto=99) / Raw(b"what"), E() / IP(src=A, dst=IN_GW, id=1, proto=47) / Raw(b"\0\0\x08\0payload"))
    s.put(udp(A, 5000, IN_GW, 9))
    s.put(tcp(SRV, 80, B, 5000), tcp(B, 5000, SRV, 80, "SA", 1, 1001), udp(B, 5001, SRV, 9))


@scenario("sctp-heartbeats")
def sctp_heartbeats(s):
    """Associations that begin with an answer to a heartbeat: only its sender's tag is known."""
    s.put(sctp(A, 7000, SRV, 9, 0x11111111, chunk(5)), sctp(SRV, 9, A, 7000, 0x22222222, chunk(5)), sctp(SRV, 9, A, 7000, 0x33333333, chunk(5)))
    s.put(sctp(A, 7001, SRV, 9, 0x11111111, chunk(4)), sctp(SRV, 9, A, 7001, 0x22222222, chunk(4)), sctp(A, 7001, SRV, 9, 0x44444444, chunk(5)))
