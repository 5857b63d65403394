"""FTP: servers behind DNAT, lengths that change in both directions, expectations that come and go."""
from parts.builder import A6, B6, GW, GW6, S6, SRV, masquerade, scenario, table, tcp
from parts.ipv6 import nat, six, tcp6

C, S = "10.0.0.5", "10.0.0.21"
FTP = table("raw", "-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp",
            "-A PREROUTING -p tcp -m tcp --dport 2121 -j CT --helper ftp")


def quoted(address, port):
    """An endpoint as PORT and 227 write it."""
    return f"{address.replace('.', ',')},{port // 256},{port % 256}"


class Control:
    """A control connection: lines with what they grow by on their way, and each line's acknowledgement."""

    def __init__(self, script, flow):
        self.script, self.flow = script, flow

    def command(self, text, grow=0):
        """The client's line, which grows by `grow` bytes, and its acknowledgement."""
        self.script.note(text)
        line = text.encode() + b"\r\n"
        self.last = (self.flow.c2s, line, self.flow.cseq)
        self.flow.c2s("PA", line)
        self.flow.cd += grow
        self.flow.s2c("A")

    def reply(self, text, grow=0):
        """The server's line, which grows by `grow` bytes, and its acknowledgement."""
        self.script.note(text)
        line = text.encode() + b"\r\n"
        self.last = (self.flow.s2c, line, self.flow.sseq)
        self.flow.s2c("PA", line)
        self.flow.sd += grow
        self.flow.c2s("A")

    def again(self):
        """The last line as a retransmission."""
        self.script.note("the same line again, as a retransmission")
        send, line, start = self.last
        send("PA", line, seq=start)


@scenario("ftp-server-dnat")
def server_dnat(s):
    """A server inside behind DNAT, on its port and on another one: 227 and 229 rewritten, PORT and EPRT from outside."""
    s.keys["inside"] = {"addrs": ["10.0.0.1/24", "192.168.1.1/24"]}
    s.keys["iptables"] = FTP + masquerade(
        "-A PREROUTING -i outside -p tcp -m tcp --dport 21 -j DNAT --to-destination 10.0.0.21",
        "-A PREROUTING -i outside -p tcp -m tcp --dport 2121 -j DNAT --to-destination 192.168.1.20:21")
    f = s.flow(SRV, 43000, S, 21, seen_server=GW)
    f.open()
    c = Control(s, f)
    c.reply("220 ready")
    c.command("EPSV")
    c.reply("229 Entering Extended Passive Mode (|||50001|)")
    d = s.flow(SRV, 43001, S, 50001, seen_server=GW)
    d.open()
    d.s2c("FPA", b"listing")
    d.c2s("FA")
    d.s2c("A")
    s.note("the port again without an expectation, and another one")
    s.put(tcp(SRV, 43002, GW, 50001), tcp(SRV, 43002, GW, 50002))
    c.command("PASV")
    c.reply(f"227 Entering Passive Mode ({quoted(S, 50010)})", grow=2)
    c.again()
    s.flow(SRV, 43003, S, 50010, seen_server=GW).open()
    c.command(f"PORT {quoted(SRV, 51000)}")
    c.reply("200 ok")
    s.flow(S, 20, SRV, 51000, seen_client=GW).open()
    c.command("EPRT |1|198.51.100.7|51001|")
    c.reply("200 ok")
    s.flow(S, 20, SRV, 51001, seen_client=GW).open()
    c.command("EPSV ALL")
    c.reply("200 ok")
    f.close()
    s.note("the other server, on another port")
    g = s.flow(SRV, 43010, "192.168.1.20", 21, seen_server=GW)
    g.dp = 2121

    def turn(method, *arguments, **keys):
        g.dp = 2121 if method == g.c2s else 21
        method(*arguments, **keys)
    turn(g.c2s, "S", opts=g.opts)
    turn(g.s2c, "SA", opts=g.opts)
    turn(g.c2s, "A")
    turn(g.s2c, "PA", b"220 ready\r\n")
    turn(g.c2s, "PA", b"PASV\r\n")
    turn(g.s2c, "PA", f"227 Entering Passive Mode ({quoted('192.168.1.20', 50020)})\r\n".encode())
    g.sd -= 1
    turn(g.c2s, "A")
    s.flow(SRV, 43011, "192.168.1.20", 50020, seen_server=GW).open()


@scenario("ftp-outside-address")
def outside_address(s):
    """PORT, EPRT, 227 and 229 that name the address by which the other side knows their sender: a client behind MASQUERADE, a
    server behind DNAT."""
    s.keys["inside"] = {"addrs": ["10.0.0.1/24"]}
    s.keys["iptables"] = FTP + masquerade(
        "-A PREROUTING -i outside -p tcp -m tcp --dport 21 -j DNAT --to-destination 10.0.0.21")
    f = s.flow(C, 42000, SRV, 21, seen_client=GW)
    c = Control(s, f)
    f.open()
    c.reply("220 ready")
    s.note("a client that knows its address outside, and the data connections that the server opens")
    c.command(f"PORT {quoted(GW, 51000)}")
    c.reply("200 ok")
    s.put(tcp(SRV, 20, GW, 51000))
    c.command(f"EPRT |1|{GW}|51001|")
    c.reply("200 ok")
    s.put(tcp(SRV, 20, GW, 51001))
    f.close()
    s.note("a server that knows its address outside, and the data connections that its client opens")
    g = s.flow(SRV, 43000, S, 21, seen_server=GW)
    g.open()
    c = Control(s, g)
    c.reply("220 ready")
    c.command("PASV")
    c.reply(f"227 Entering Passive Mode ({quoted(GW, 50010)})")
    s.put(tcp(SRV, 43001, GW, 50010))
    c.command("EPSV")
    c.reply("229 Entering Extended Passive Mode (|||50011|)")
    s.flow(SRV, 43002, S, 50011, seen_server=GW).open()
    g.close()


@scenario("ftp-both-lengths")
def both_lengths(s):
    """Client masqueraded and server behind a virtual address: commands and replies both change their length."""
    s.keys["inside"] = {"addrs": ["10.0.0.1/24"]}
    s.keys["iptables"] = FTP + masquerade(
        "-A PREROUTING -i inside -d 198.51.100.200 -p tcp -j DNAT --to-destination 198.51.100.7")
    virtual = "198.51.100.200"
    f = s.flow(C, 42000, SRV, 21, seen_client=GW, seen_server=virtual)
    c = Control(s, f)
    f.open()
    c.reply("220 ready")
    c.command("USER anonymous")
    c.reply("331 password please")
    c.command(f"PORT {quoted(C, 51000)}", grow=3)
    c.reply("200 ok")
    c.command("PASV")
    c.reply(f"227 Entering Passive Mode ({quoted(SRV, 50001)})", grow=2)
    s.note("data connections of both kinds")
    d = s.flow(C, 42001, SRV, 50001, seen_client=GW, seen_server=virtual)
    d.open()
    d.c2s("FPA", b"upload")
    d.s2c("FA")
    d.c2s("A")
    s.note("SACK in both directions about bytes after both changes, then below them")

    def sack(left, right):
        return [("NOP", None), ("NOP", None), ("SAck", (left, right))]
    f.c2s("PA", b"NOOP 1\r\n")
    f.s2c("A", ack=f.cseq + f.cd - 8, opts=sack(f.cseq + f.cd - 4, f.cseq + f.cd))
    f.s2c("PA", b"200 ok\r\n")
    f.c2s("A", ack=f.sseq + f.sd - 8, opts=sack(f.sseq + f.sd - 4, f.sseq + f.sd))
    f.c2s("A", ack=f.sseq + f.sd - 60, opts=sack(f.sseq + f.sd - 58, f.sseq + f.sd - 50))
    f.s2c("A")
    f.c2s("A")
    s.note("a second change in each direction, retransmitted, and one that does not change anything")
    c.command("EPRT |1|10.0.0.5|51001|", grow=3)
    c.again()
    c.reply("200 ok")
    s.flow(SRV, 20, C, 51001, seen_client=virtual, seen_server=GW).open()
    c.command("PASV")
    c.reply(f"227 Entering Passive Mode ({quoted(SRV, 50002)})", grow=2)
    c.again()
    c.command("EPSV")
    c.reply("229 Entering Extended Passive Mode (|||50003|)")
    s.flow(C, 42003, SRV, 50003, seen_client=GW, seen_server=virtual).open()
    s.note("old data far below, an ACK of bytes never sent, a reset with adjusted numbers")
    f.c2s("PA", b"USER anonymous\r\n", seq=1001)
    f.c2s("A", ack=f.sseq + f.sd + 500)
    f.c2s("FA")
    f.s2c("A")
    f.s2c("RA")


@scenario("ftp-expectations")
def expectations(s):
    """Expectations replaced, used, run out, kept by another master, for a taken port; helpers by rule and none."""
    s.keys["inside"] = {"addrs": ["10.0.0.1/24"]}
    s.keys["iptables"] = FTP + masquerade() + table(
        "filter", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A FORWARD -i inside -j ACCEPT",
        "-A FORWARD -m helper --helper ftp -j DROP", FORWARD="DROP")

    def session(port, server=SRV, dport=21):
        f = s.flow(C, port, server, dport, seen_client=GW)
        f.open()
        c = Control(s, f)
        c.reply("220 ready")
        c.command("USER a")
        return f, c
    f, c = session(42000)
    c.command(f"PORT {quoted(C, 51000)}", grow=3)
    c.command(f"PORT {quoted(C, 51001)}", grow=3)
    s.note("the first is replaced: refused; the second is there: RELATED until the answer; used up by it")
    s.put(tcp(SRV, 20, GW, 51000))
    d = s.flow(SRV, 20, C, 51001, seen_server=GW)
    d.open()
    d.c2s("PA", b"data")
    s.put(tcp(SRV, 2020, GW, 51001))
    s.note("the data connection from another host is not expected; from another port of the server it is")
    c.command(f"PORT {quoted(C, 51002)}", grow=3)
    s.put(tcp("198.51.100.8", 20, GW, 51002), tcp(SRV, 2021, GW, 51002))
    s.note("the same port again while its connection lives")
    c.command(f"PORT {quoted(C, 51001)}", grow=3)
    s.put(tcp(SRV, 2022, GW, 51001))
    s.note("run out after 300 s; renewed by the same command before that")
    c.command(f"PORT {quoted(C, 51003)}", grow=3)
    s.step(advance=200)
    c.command(f"PORT {quoted(C, 51003)}", grow=3)
    s.step(advance=200)
    s.put(tcp(SRV, 20, GW, 51003))
    c.command(f"PORT {quoted(C, 51004)}", grow=3)
    s.step(advance=301)
    s.put(tcp(SRV, 20, GW, 51004))
    s.note("passive: from any port of the client; a second connection is just new")
    c.command("PASV")
    c.reply(f"227 Entering Passive Mode ({quoted(SRV, 50001)})")
    s.flow(C, 42010, SRV, 50001, seen_client=GW).open()
    s.put(tcp(C, 42011, SRV, 50001))
    s.note("what is no endpoint: another host, port 0, too many numbers, too large, bad EPRT, IPv6 by EPRT")
    for text in ("PORT 10,0,0,6,199,1", "PORT 10,0,0,5,0,0", "PORT 10,0,0,5,1,2,3", "PORT 10,0,0,256,1,2", "PORT 10,0,0,5,256,2",
                 "EPRT |1|10.0.0.5|0|", "EPRT |3|10.0.0.5|51005|", "EPRT |2|::1|51005|", "port 10,0,0,5,200,1"):
        c.command(text)
    s.note("a control connection on a port without a helper: nothing is expected")
    g, e = session(42020, dport=2122)
    e.command(f"PORT {quoted(C, 51010)}")
    s.put(tcp(SRV, 20, C, 51010))
    s.note("the control connection is reset: its expectation goes when the entry does")
    h, k = session(42030)
    k.command(f"PORT {quoted(C, 51020)}", grow=3)
    h.c2s("RA")
    s.step(advance=11)
    s.put(tcp(SRV, 20, GW, 51020))


def ftp6(s, *translations):
    """An IPv6 router with the helper, that lets in what is related."""
    rules = ("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A FORWARD -i inside -j ACCEPT",
             "-A FORWARD -p tcp -m tcp --dport 21 -j ACCEPT")
    tables = [FTP, table("filter", *rules, FORWARD="DROP")]
    six(s, *tables, *([nat(*translations)] if translations else []))


@scenario("ipv6-ftp")
def over_ipv6(s):
    """FTP over IPv6 without NAT: EPRT and EPSV, what is no endpoint, and the words of IPv4, which name one here, too."""
    ftp6(s)
    f = s.flow6(A6, 42000, S6, 21)
    f.open()
    c = Control(s, f)
    c.reply("220 ready")
    ports = iter(range(51000, 52000))
    s.note("each is followed by the server's call")
    for text in ("EPRT |2|fd00:1::10|@|", "eprt !2!fd00:1::10!@!", "EPRT |2|fd00:1:0:0:0:0:0:10|@|", "EPRT |2|FD00:0001::0010|@|",
                 "EPRT  |2|fd00:1::10|@|", "EPRT |2|fd00:1::10|@", "EPRT |2|fd00:1::11|@|", "EPRT |2|::|@|", "EPRT |1|10.0.0.5|@|",
                 "EPRT |3|fd00:1::10|@|", "EPRT |2|fd00:1::10|0@|", "EPRT |2|fd00:1::10%eth0|@|", "EPRT |2|fd00:1::0.0.0.16|@|",
                 "EPRT |2|fd00:1:::10|@|", "EPRT 2|fd00:1::10|@|", "EPRT  "):
        port = next(ports)
        c.command(text.replace("@", str(port)))
        s.put(tcp6(S6, 20, A6, port))
    s.note("PORT replaces the first four octets of the client's address")
    for text, port in ((f"PORT {quoted('253.0.0.1', 51100)}", 51100), (f"PORT {quoted('10.0.0.5', 51101)}", 51101), (f"PORT {quoted('253.0.0.1', 0)}", 0)):
        c.command(text)
        s.put(tcp6(S6, 20, A6, port))
    s.note("passive, whole and cut")
    for text in ("229 Entering Extended Passive Mode (|||@|)", "229 ok (!!!@!)", "229 (|2||@|)", "229 (||fd00:1::10|@|)", "229 |||@|", "229 (|||0|)",
                 "229 (|||65536|)"):
        port = next(ports)
        c.command("EPSV 2")
        c.reply(text.replace("@", str(port)))
        s.put(tcp6(A6, 43000 + port % 1000, S6, port))
    for text, port in ((f"227 ({quoted('32.1.13.184', 51200)})", 51200), (f"227 ({quoted('198.51.100.7', 51201)})", 51201)):
        c.command("PASV")
        c.reply(text)
        s.put(tcp6(A6, 44000, S6, port))
    s.note("a transfer to its end, and the session's")
    c.command("EPSV")
    c.reply("229 Entering Extended Passive Mode (|||51300|)")
    d = s.flow6(A6, 43100, S6, 51300)
    d.open()
    d.s2c("FPA", b"listing")
    d.c2s("FA")
    d.s2c("A")
    f.close()
    s.note("a command that is cut, its rest, and the whole")
    g = s.flow6(B6, 42010, S6, 21)
    g.open()
    e = Control(s, g)
    g.c2s("PA", b"EPRT |2|fd00:1::20")
    g.c2s("PA", b"|51400|\r\n")
    g.s2c("A")
    s.put(tcp6(S6, 20, B6, 51400))
    e.command("EPRT |2|fd00:1::20|51401|")
    s.put(tcp6(S6, 20, B6, 51401), tcp6(S6, 20, B6, 51401))


@scenario("ipv6-ftp-nat")
def nat_over_ipv6(s):
    """FTP over IPv6 behind MASQUERADE, and a server inside behind DNAT: addresses of every length are written anew."""
    ftp6(s, "-A PREROUTING -i outside -p tcp -m tcp --dport 21 -j DNAT --to-destination fd00:1::21", "-A POSTROUTING -o outside -j MASQUERADE")
    f = s.flow6(A6, 42000, S6, 21, seen_client=GW6)
    f.open()
    c = Control(s, f)
    c.reply("220 ready")
    c.command("EPRT |2|fd00:1::10|51000|", grow=len(GW6) - len(A6))
    c.again()
    c.reply("200 ok")
    d = s.flow6(S6, 20, A6, 51000, seen_server=GW6)
    d.open()
    d.c2s("FPA", b"listing")
    d.s2c("FA")
    d.c2s("A")
    s.note("the longest form becomes short; SACK about what comes behind both")
    long = "fd00:0001:0000:0000:0000:0000:0000:0010"
    c.command(f"EPRT |2|{long}|51001|", grow=len(GW6) - len(long))
    c.reply("200 ok")
    s.flow6(S6, 20, A6, 51001, seen_server=GW6).open()
    f.c2s("PA", b"NOOP\r\n")
    f.s2c("A", ack=f.cseq + f.cd - 6, opts=[("NOP", None), ("NOP", None), ("SAck", (f.cseq + f.cd - 3, f.cseq + f.cd))])
    f.s2c("A")
    s.note("passive: nothing is named but a port")
    c.command("EPSV")
    c.reply("229 Entering Extended Passive Mode (|||50001|)")
    s.flow6(A6, 42001, S6, 50001, seen_client=GW6).open()
    s.note("two clients, one port: the next one is taken")
    g = s.flow6(B6, 42000, S6, 21, seen_client=GW6)
    g.dp = 2121
    g.open()
    e = Control(s, g)
    e.command("EPRT |2|fd00:1::20|51010|", grow=len(GW6) - len(B6))
    c.command("EPRT |2|fd00:1::10|51010|", grow=len(GW6) - len(A6))
    s.put(tcp6(S6, 20, GW6, 51010), tcp6(S6, 20, GW6, 51011))
    s.note("PORT cannot be written anew")
    c.command(f"PORT {quoted('253.0.0.1', 51020)}")
    s.put(tcp6(S6, 20, GW6, 51020))
    f.close()
    s.note("a server inside: who asks it is outside")
    h = s.flow6(S6, 43000, "fd00:1::21", 21, seen_server=GW6)
    h.open()
    k = Control(s, h)
    k.command("EPSV")
    k.reply("229 Entering Extended Passive Mode (|||50010|)")
    s.flow6(S6, 43001, "fd00:1::21", 50010, seen_server=GW6).open()
    k.command("EPRT |2|2001:db8:2::7|51030|")
    s.flow6("fd00:1::21", 20, S6, 51030, seen_client=GW6).open()
