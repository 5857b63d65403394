"""Matches that look into packets and connections: ecn, tcpmss, u32, string, sctp, time, connbytes, connlabel, rpfilter,
socket."""
from parts.builder import A, B, E, IN_GW, IP, Raw, SRV, TCP, echo, scenario, table, tcp, udp
from scapy.all import SCTP, SCTPChunkCookieAck, SCTPChunkData, SCTPChunkInit


@scenario("rules-headers")
def headers(s):
    """ecn, tcpmss, u32: bits and numbers in headers."""
    s.keys["iptables"] = table(
        "filter",
        "-A FORWARD -p tcp --dport 1 -m ecn --ecn-tcp-ece --ecn-tcp-cwr -j ACCEPT",
        "-A FORWARD -p tcp --dport 2 -m ecn ! --ecn-tcp-ece -j ACCEPT",
        "-A FORWARD -p udp --dport 3 -m ecn --ecn-ip-ect 2 -j ACCEPT",
        "-A FORWARD -p udp --dport 4 -m ecn ! --ecn-ip-ect 3 -j ACCEPT",
        "-A FORWARD -p tcp --dport 5 -m tcpmss --mss 1400:1460 -j ACCEPT",
        "-A FORWARD -p tcp --dport 6 -m tcpmss ! --mss 1460 -j ACCEPT",
        '-A FORWARD -p udp --dport 7 -m u32 --u32 "2&0xffff=0x20:0x30" -j ACCEPT',
        '-A FORWARD -p udp --dport 8 -m u32 --u32 "6&0xff=17&&0>>22&0x3c@8=0x61626364,0x65666768" -j ACCEPT',
        '-A FORWARD -p udp --dport 9 -m u32 ! --u32 "0>>22&0x3c@100=0" -j ACCEPT',
        '-A FORWARD -p udp --dport 10 -m u32 --u32 "12<<8>>8=0xa8010a:0xa8010b" -j ACCEPT',
        FORWARD="DROP")
    for port in (1, 2):
        for number, flags in enumerate(("S", "SE", "SEC")):
            s.put(tcp(A, 4000 + 10 * port + number, SRV, port, flags))
    for port in (3, 4):
        for tos in (0, 1, 2, 3):
            packet = udp(A, 5000 + 10 * port + tos, SRV, port)
            packet.tos = tos
            s.put(packet)
    for port in (5, 6):
        for number, options in enumerate(((), (("MSS", 1460),), (("NOP", None), ("MSS", 1400)), (("MSS", 536),))):
            s.put(tcp(A, 4100 + 10 * port + number, SRV, port, options=options))
    for port in (7, 8, 9, 10):
        for number, data in enumerate((b"", b"abcd", b"efgh", b"xyz", b"0123456789" * 3)):
            s.put(udp(A, 5100 + 10 * port + number, SRV, port, data))
    s.put(udp(B, 5300, SRV, 10))


@scenario("rules-string")
def string(s):
    """string: both algorithms, offsets, case, hex, negation."""
    s.keys["iptables"] = table(
        "filter",
        "-A FORWARD -p udp --dport 1 -m string --string needle --algo bm -j ACCEPT",
        "-A FORWARD -p udp --dport 2 -m string --string needle --algo kmp -j ACCEPT",
        "-A FORWARD -p udp --dport 3 -m string --string NeedLe --algo bm --icase -j ACCEPT",
        "-A FORWARD -p udp --dport 4 -m string --string needle --algo kmp --from 30 -j ACCEPT",
        "-A FORWARD -p udp --dport 5 -m string --string needle --algo bm --to 38 -j ACCEPT",
        "-A FORWARD -p udp --dport 6 -m string ! --string needle --algo bm -j ACCEPT",
        '-A FORWARD -p udp --dport 7 -m string --hex-string "|0d 0a|x|00|" --algo kmp -j ACCEPT',
        "-A FORWARD -p udp --dport 8 -m string --string needle --algo kmp --from 28 --to 34 -j ACCEPT",
        FORWARD="DROP")
    for port in range(1, 9):
        for number, data in enumerate((b"needle", b"a NEEDLE in", b"12needle", b"1234needle and more", b"needl", b"",
                                       b"ab\r\nx\0cd", b"nneedle")):
            s.put(udp(A, 5000 + 10 * port + number, SRV, port, data))


@scenario("rules-sctp")
def sctp(s):
    """sctp: ports, chunks any, all and only, with flags; a chunk that says it is empty."""
    s.keys["iptables"] = table("raw", "-A PREROUTING -p sctp -j NOTRACK") + table(
        "filter",
        "-A FORWARD -p sctp --dport 1 --sport 100:200 -j ACCEPT",
        "-A FORWARD -p sctp --dport 2 -m sctp --chunk-types any INIT,COOKIE_ACK -j ACCEPT",
        "-A FORWARD -p sctp --dport 3 -m sctp --chunk-types all DATA,COOKIE_ACK -j ACCEPT",
        "-A FORWARD -p sctp --dport 4 -m sctp --chunk-types only DATA:BE -j ACCEPT",
        "-A FORWARD -p sctp --dport 5 -m sctp ! --chunk-types any DATA -j ACCEPT",
        FORWARD="DROP")

    def packet(sport, dport, *chunks):
        made = E() / IP(src=A, dst=SRV, id=1) / SCTP(sport=sport, dport=dport, tag=7)
        for chunk in chunks:
            made = made / chunk
        return made

    def data(**fields):
        return SCTPChunkData(data=b"1234", **fields)

    init = SCTPChunkInit(init_tag=1, a_rwnd=1500, n_out_streams=1, n_in_streams=1, init_tsn=1)
    for sport in (99, 100, 200, 201):
        s.put(packet(sport, 1, init))
    for dport in (2, 3, 4, 5):
        chunks = ((init,), (data(),), (SCTPChunkCookieAck(),), (data(), SCTPChunkCookieAck()),
                  (data(beginning=1, ending=1),), (data(beginning=1, ending=1), data(beginning=1)))
        for number, list_of in enumerate(chunks):
            s.put(packet(300 + number, dport, *list_of))
    empty = E() / IP(src=A, dst=SRV, id=1, proto=132) / Raw(bytes(SCTP(sport=400, dport=5, tag=7)) + bytes(4))
    s.put(empty)


@scenario("rules-connection")
def connection(s):
    """connbytes and connlabel: what a connection has carried, and what it is called."""
    s.keys["iptables"] = table(
        "filter",
        "-A FORWARD -m connlabel --label 5 -j ACCEPT",
        "-A FORWARD -p udp --dport 9 -m connlabel --label 5 --set -j ACCEPT",
        "-A FORWARD -m connlabel ! --label 100 -j from-here",
        "-A FORWARD -p udp --dport 1 -m connbytes --connbytes 3: --connbytes-dir original --connbytes-mode packets -j DROP",
        "-A FORWARD -p udp --dport 2 -m connbytes --connbytes 50:100 --connbytes-dir original --connbytes-mode bytes"
        " -j ACCEPT",
        "-A FORWARD -p udp --dport 3 -m connbytes ! --connbytes 2:3 --connbytes-dir both --connbytes-mode packets"
        " -j ACCEPT",
        "-A FORWARD -p udp --dport 4 -m connbytes --connbytes :60 --connbytes-dir original --connbytes-mode avgpkt"
        " -j ACCEPT",
        "-A FORWARD -p udp --dport 1 -j ACCEPT",
        "-A FORWARD -p udp --sport 1:4 -j ACCEPT",
        "-A from-here -s 192.168.1.200 -j ACCEPT",
        chains=("from-here",), FORWARD="DROP")
    for port in (1, 2, 3, 4):
        s.put(*[udp(A, 5000 + port, SRV, port, bytes(10 * n)) for n in range(5)])
    s.put(udp(SRV, 1, A, 5001), udp(SRV, 3, A, 5003), udp(A, 5003, SRV, 3))
    s.note("labelled once, known ever after, both ways")
    s.put(udp(A, 5009, SRV, 9), udp(SRV, 9, A, 5009), udp(A, 5009, SRV, 9), udp(A, 5010, SRV, 10))


@scenario("rules-way-back")
def way_back(s):
    """rpfilter strict, loose, inverted, accept-local; socket with and without wildcards; time."""
    s.keys["routes"] = s.keys["routes"] + [{"dst": "10.7.0.0/16", "via": "192.168.1.20", "dev": "inside"}]
    s.keys["local_services"] = [{"proto": "udp", "port": 7, "echo": True}]
    s.keys["iptables"] = table(
        "raw",
        "-A PREROUTING -p udp --dport 1 -m rpfilter -j ACCEPT",
        "-A PREROUTING -p udp --dport 1 -j DROP",
        "-A PREROUTING -p udp --dport 2 -m rpfilter --invert -j DROP",
        "-A PREROUTING -p udp --dport 3 -m rpfilter --loose -j ACCEPT",
        "-A PREROUTING -p udp --dport 3 -j DROP",
        "-A PREROUTING -p udp --dport 4 -m rpfilter --loose --accept-local --validmark -j DROP") + table(
        "mangle",
        "-A PREROUTING -p udp -m socket -j MARK --set-mark 1",
        "-A PREROUTING -p udp -m socket --nowildcard -j MARK --set-mark 2",
        "-A PREROUTING -p udp -m socket --nowildcard --transparent -j MARK --set-mark 3",
        "-A INPUT -m mark --mark 2 -j ACCEPT") + table(
        "filter",
        "-A FORWARD -m time --datestop 2037-01-01T00:00:00 -p udp --dport 1:9 -j ACCEPT",
        "-A FORWARD -m time --datestart 2037-01-01 -j ACCEPT",
        "-A FORWARD -m time --weekdays Mon,Tue,Wed,Thu,Fri,Sat,Sun --timestart 00:00 --timestop 23:59:59 -p udp --dport 10"
        " -j ACCEPT",
        "-A INPUT -i inside -p udp -m udp --dport 9 -j DROP",
        FORWARD="DROP")
    for port in (1, 2, 3):
        s.put(udp(A, 5000 + port, SRV, port), udp(SRV, 5010 + port, A, port))
        s.put(udp("10.7.0.9", 5020 + port, SRV, port, ), udp("10.7.0.9", 5030 + port, A, port), side=None)
        s.put(udp(A, 5040 + port, "198.51.100.8", port), side="outside")
        s.put(udp(SRV, 5050 + port, "198.51.100.8", port), side="inside")
    s.note("to a service of the gateway, to nobody")
    s.put(udp(A, 5060, IN_GW, 7, b"hello"), udp(A, 5061, IN_GW, 9), echo(A, IN_GW))
    s.note("the clock")
    s.put(udp(A, 5070, SRV, 10), udp(A, 5071, SRV, 11))
