"""The mangle and raw tables: marks, header fields, packets that are not tracked."""
from parts.builder import A, B, GW, IN_GW, IP, Raw, SRV, UDP, echo, icmp, masquerade, scenario, table, tcp, udp

SYN = [("MSS", 1460), ("SAckOK", b""), ("WScale", 7)]


@scenario("mangle-fields")
def fields(s):
    """TTL, TOS, DSCP and TCPMSS on packets of all kinds; the outside link is 1400 bytes wide."""
    s.keys["outside"] = {"addrs": ["203.0.113.1/24"], "mtu": 1400}
    s.keys["iptables"] = table(
        "mangle",
        "-A PREROUTING -p udp -m udp --dport 1 -j TTL --ttl-set 20",
        "-A PREROUTING -p udp -m udp --dport 2 -j TTL --ttl-dec 5",
        "-A PREROUTING -p udp -m udp --dport 3 -j TTL --ttl-inc 250",
        "-A PREROUTING -p udp -m udp --dport 4 -j TTL --ttl-set 1",
        "-A POSTROUTING -p udp -m udp --dport 5 -j TTL --ttl-set 1",
        "-A FORWARD -p udp -m udp --dport 10 -j TOS --set-tos 0x10/0x3f",
        "-A FORWARD -p udp -m udp --dport 11 -j TOS --set-tos 0x00/0xff",
        "-A FORWARD -p udp -m udp --dport 12 -j TOS --set-tos 0x04/0x0c",
        "-A FORWARD -p udp -m udp --dport 13 -j DSCP --set-dscp 0x2e",
        "-A FORWARD -p udp -m udp --dport 14 -j DSCP --set-dscp-class AF31",
        "-A FORWARD -m dscp --dscp 0x0a -j TOS --set-tos 0xe0/0xe0",
        "-A FORWARD -p tcp -m tcp --dport 80 --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
        "-A FORWARD -p tcp -m tcp --sport 80 --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
        "-A FORWARD -p tcp -m tcp --dport 81 --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1000",
        "-A OUTPUT -p icmp -j DSCP --set-dscp 0x08",
    ) + masquerade()
    s.note("TTL set, lowered, raised to its end, lowered to nothing, set to 1 before and after routing")
    s.put(udp(A, 5000, SRV, 1), udp(A, 5000, SRV, 2), udp(A, 5000, SRV, 2, ttl=6), udp(A, 5000, SRV, 2, ttl=5), udp(A, 5000, SRV, 2, ttl=3),
          udp(A, 5000, SRV, 3), udp(A, 5000, SRV, 4), udp(A, 5000, SRV, 5))
    s.note("TOS under masks, DSCP by number and by class: ECN bits stay or go")
    for port in range(10, 15):
        s.put(udp(A, 5001, SRV, port, tos=0x03), udp(A, 5001, SRV, port, tos=0xFF, ident=2))
    s.put(udp(A, 5001, SRV, 15, tos=0x29))
    s.note("MSS clamped to the narrow side, in both directions; already small; absent; SYN with data; not a SYN")
    s.put(tcp(A, 6000, SRV, 80, options=SYN), tcp(SRV, 80, GW, 6000, "SA", 9000, 1001, options=SYN))
    s.put(tcp(A, 6001, SRV, 80, options=[("MSS", 536)]), tcp(A, 6002, SRV, 80), tcp(A, 6003, SRV, 80, options=[("NOP", None)] * 4))
    s.put(tcp(A, 6004, SRV, 80, data=b"with data"), tcp(A, 6000, SRV, 80, "A", 1001, 9001))
    s.note("MSS set: larger than asked for, smaller (never raised), absent (added), after other options, odd")
    s.put(tcp(A, 6100, SRV, 81, options=SYN), tcp(A, 6101, SRV, 81, options=[("MSS", 900)]), tcp(A, 6102, SRV, 81))
    s.put(tcp(A, 6103, SRV, 81, options=[("NOP", None), ("NOP", None), ("Timestamp", (1, 0)), ("MSS", 1460)]),
          tcp(A, 6104, SRV, 81, options=[("MSS", 1001)]))
    s.note("what the router answers itself is marked in OUTPUT")
    s.put(echo(A, IN_GW, 3))


@scenario("marks")
def marks(s):
    """MARK and CONNMARK with all their operations and masks; matches on both; marks that return with the reply."""
    s.keys["iptables"] = table(
        "mangle",
        "-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff",
        "-A PREROUTING -i inside -p udp -m udp --dport 1 -j MARK --set-mark 0x11",
        "-A PREROUTING -i inside -p udp -m udp --dport 2 -j MARK --or-mark 0x6",
        "-A PREROUTING -i inside -p udp -m udp --dport 2 -j MARK --and-mark 0x5",
        "-A PREROUTING -i inside -p udp -m udp --dport 2 -j MARK --xor-mark 0xff",
        "-A PREROUTING -i inside -p udp -m udp --dport 3 -j MARK --set-mark 0xabcd/0xff00",
        "-A PREROUTING -i inside -p udp -m udp --dport 4 -j MARK --set-xmark 0x0f0f/0x00ff",
        "-A PREROUTING -i inside -p udp -m udp --dport 5 -j CONNMARK --set-mark 0x77",
        "-A PREROUTING -i inside -p udp -m udp --dport 6 -j CONNMARK --set-xmark 0x3/0x1",
        "-A PREROUTING -i inside -p udp -m udp --dport 7 -j CONNMARK --or-mark 0x100",
        "-A PREROUTING -i inside -p udp -m udp --dport 8 -j MARK --set-mark 0xffffffff",
        "-A FORWARD -p udp -m mark --mark 0x11 -j CONNMARK --save-mark",
        "-A FORWARD -p udp -m mark --mark 0xab00/0xff00 -j CONNMARK --save-mark --nfmask 0xffff --ctmask 0xf0ff",
        "-A FORWARD -p udp -m mark ! --mark 0x0/0xf0000000 -j CONNMARK --save-mark",
        "-A POSTROUTING -m connmark --mark 0x77 -j CONNMARK --and-mark 0x0f",
        "-A OUTPUT -p udp -m udp --dport 9 -j MARK --set-mark 0x9",
    ) + masquerade() + table(
        "filter",
        "-A FORWARD -m mark --mark 0xfb -j DROP",
        "-A FORWARD -i outside -m connmark ! --mark 0x0 -m mark ! --mark 0x0 -j ACCEPT",
        "-A FORWARD -i outside -p udp -m udp --sport 7 -m connmark --mark 0x100/0x100 -j ACCEPT",
        "-A FORWARD -i outside -j DROP",
        "-A OUTPUT -m mark --mark 0x9/0xf -j CONNMARK --set-mark 0x99")
    for port, what in ((1, "set, saved, restored on the reply"), (2, "or, and, xor: 0xfb is dropped"),
                       (3, "set under a mask, saved under two"), (4, "xor under a mask"), (5, "connection mark set, changed at the end"),
                       (6, "connection mark xor under a mask"), (7, "connection mark or: restored only below 0x100"), (8, "all bits")):
        s.note(f"port {port}: {what}")
        s.put(udp(A, 5000, SRV, port), udp(SRV, port, GW, 5000), udp(A, 5000, SRV, port))
    s.note("of the router itself")
    s.put(udp(GW, 5001, SRV, 9), udp(SRV, 9, GW, 5001))


@scenario("raw-untracked")
def untracked(s):
    """NOTRACK and CT in raw: neither state nor translation, errors about it, zones, which events are told."""
    s.keys["iptables"] = table(
        "raw",
        "-A PREROUTING -p udp -m udp --dport 1 -j NOTRACK",
        "-A PREROUTING -i outside -p udp -m udp --sport 1 -j CT --notrack",
        "-A PREROUTING -p tcp -m tcp --dport 81 -j CT --notrack",
        "-A PREROUTING -p udp -m udp --dport 3 -j CT --zone 5",
        "-A PREROUTING -p udp -m udp --dport 4 -j CT --ctevents new,destroy",
        "-A PREROUTING -p udp -m udp --dport 5 -j CT --ctevents assured,mark",
        "-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp --expevents new",
        "-A OUTPUT -p udp -m udp --dport 1 -j CT --notrack",
    ) + masquerade() + table(
        "filter",
        "-A FORWARD -m conntrack --ctstate UNTRACKED -p tcp -j DROP",
        "-A FORWARD -m conntrack ! --ctstate NEW,ESTABLISHED,RELATED,INVALID -s 192.168.1.20 -j DROP",
        "-A FORWARD -m state --state UNTRACKED -s 192.168.1.30 -j REJECT")
    s.note("out with the private address, back by it; refused by state, by what it is not, with an answer")
    s.put(udp(A, 5000, SRV, 1), udp(SRV, 1, A, 5000), udp(B, 5000, SRV, 1), udp("192.168.1.30", 5000, SRV, 1), tcp(A, 6000, SRV, 81))
    s.note("an error about the untracked flow, and about none")
    inner = IP(src=A, dst=SRV, id=1, ttl=3) / UDP(sport=5000, dport=1) / Raw(b"x")
    s.put(icmp("203.0.113.77", A, 11, 0, inner))
    s.note("TTL over: the router's error about an untracked packet")
    s.put(udp(A, 5001, SRV, 1, ttl=1))
    s.note("a zone: translated, but its reply in zone 0 is another flow; tracked again in zone 0")
    s.put(udp(A, 5003, SRV, 3), udp(SRV, 3, GW, 5003), udp(A, 5003, SRV, 9))
    s.note("events: new and destroy only; assured and mark only")
    for port in (4, 5):
        s.put(udp(A, 5000 + port, SRV, port), udp(SRV, port, GW, 5000 + port))
    s.step(sleep=2.1)
    for port in (4, 5):
        s.put(udp(A, 5000 + port, SRV, port), udp(SRV, port, GW, 5000 + port))
    s.step(advance=121)
    s.put(udp(A, 5010, SRV, 1))
    s.note("expectations: only new ones are told")
    f = s.flow(A, 42000, SRV, 21, seen_client=GW)
    f.open()
    for text in (b"USER a\r\n", b"PORT 192,168,1,10,200,1\r\n", b"PORT 192,168,1,10,200,2\r\n"):
        f.c2s("PA", text)
        f.cd -= text.startswith(b"PORT")
        f.s2c("A")
    s.note("of the router itself")
    s.put(udp(GW, 5020, SRV, 1), udp(SRV, 1, GW, 5020))
