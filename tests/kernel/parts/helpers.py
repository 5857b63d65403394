"""IRC, TFTP and the NetBIOS name service: what each helper takes for an offer, and what comes of it under NAT."""
import ipaddress

from parts.builder import A, A6, B, B6, GW, GW6, IN_GW, IN6_GW, S6, SRV, masquerade, scenario, table, tcp, udp
from parts.ipv6 import nat, six, udp6

C, PEER, TFTP = "10.0.0.5", "198.51.100.99", "198.51.100.69"
IRC = table("raw", "-A PREROUTING -p tcp -m tcp --dport 6667 -j CT --helper irc")
RELATED = table("filter", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A FORWARD -i inside -j ACCEPT", FORWARD="DROP")


def decimal(address):
    """An address as DCC writes it."""
    return int(ipaddress.IPv4Address(address))


class Talk:
    """A connection to an IRC server: lines with what they grow by, and each one's acknowledgement."""

    def __init__(self, script, flow):
        self.script, self.flow = script, flow
        flow.open()

    def say(self, text, grow=0):
        """The client's bytes."""
        self.script.note(text.encode("unicode_escape").decode())
        self.last = (text.encode(), self.flow.cseq)
        self.flow.c2s("PA", text.encode())
        self.flow.cd += grow
        self.flow.s2c("A")

    def again(self):
        """The last ones as a retransmission."""
        text, seq = self.last
        self.flow.c2s("PA", text, seq=seq)

    def offer(self, port, kind="SEND file.txt", address=None, grow=0):
        """A right offer."""
        self.say(f"PRIVMSG bob :\x01DCC {kind} {decimal(address or self.flow.c)} {port} 1234\x01\r\n", grow)


@scenario("irc-offers")
def offers(s):
    """What is an offer and what is not, without NAT: each is followed by who comes for it."""
    s.keys["iptables"] = IRC + RELATED
    t = Talk(s, s.flow(A, 44000, SRV, 6667))
    ports = iter(range(5000, 6000))

    def said(text, port=None):
        port = port or next(ports)
        t.say(text.replace("@", f"{decimal(A)} {port}"))
        s.put(tcp(PEER, 20000 + port, A, port))
    for kind in ("SEND f", "CHAT chat", "MOVE f", "TSEND f", "SCHAT chat", "XSEND f", "RESUME f", "ACCEPT f", "send f"):
        said(f"PRIVMSG bob :\x01DCC {kind} @ 1234\x01\r\n")
    s.note("commands and where they stand")
    for before in ("privmsg bob :", "PrivMsg #all,bob :", "  \r\n PRIVMSG bob :", "\tPRIVMSG bob :", "NOTICE bob :", ":alice PRIVMSG bob :", "PING :",
                   "PONG x PRIVMSG bob :", "PRIVMSG bob :look ", "PRIVMSG bob :x :", "PRIVMSG bob ", "PRIVMSG  :", "PRIVMSG :", "NOOP\r\nPRIVMSG bob :"):
        said(f"{before}\x01DCC SEND f @ 1234\x01\r\n")
    s.note("a second line, a second request in the line, a colon that only the second line has")
    for text in ("PRIVMSG bob :hello\r\nPRIVMSG bob :\x01DCC SEND f @ 1\x01\r\n", "PRIVMSG bob :\x01DCC SEND f @ 1\x01\x01DCC CHAT c 1 2\x01\r\n",
                 "PRIVMSG bob\r\nPRIVMSG x :\x01DCC SEND f @ 1\x01\r\n"):
        said(text)
    s.note("numbers and what is between them")
    for named, port in ((f"{decimal(A)}  7001", 7001), (f"{decimal(A)} 0", 1), (f"{decimal(A)} 65536", 1), (f"{decimal(A)} 70536", 5000),
                        (f"{decimal(A)} 007002", 7002), (f"{decimal(A) + 2 ** 32} 7003", 7003), (f"0{decimal(A)} 7004", 7004),
                        (f"{decimal(A)} 7005x", 7005), (f"{decimal(A)} x7006", 7006), (f"x{decimal(A)} 7007", 7007),
                        (f"{decimal(A)}\t7008", 7008), (f"{A} 7009", 7009), (f"-{decimal(A)} 7010", 7010), (f"{decimal(A)} -7011", 7011),
                        (f"{decimal(B)} 7012", 7012), (f"{decimal(SRV)} 7013", 7013), (f"{decimal(A)} 22", 22), ("0 7014", 7014)):
        said(f"PRIVMSG bob :\x01DCC SEND f {named} 1234\x01\r\n", port)
    s.note("names with spaces; the shortest; without an end; an end within")
    for text in ("PRIVMSG bob :\x01DCC SEND \"my file\" @ 1\x01\r\n", "PRIVMSG bob :\x01DCC SEND  @ 1\x01\r\n", "PRIVMSG b :\x01DCC SEND f @\n",
                 "PRIVMSG b :\x01DCC SEND @\n", "PRIVMSG bob :\x01DCC SEND f @ 1234\x01", "PRIVMSG bob :\x01DCC SEND f @\r\n",
                 "PRIVMSG bob :\x01DCC SEND f\n @ 1234\x01\r\n", "PRIVMSG bob :\x01DCC SEND f\n\n", "PRIVMSG bob :\x01DCC "):
        said(text)
    s.note("the server's line")
    t.flow.s2c("PA", f":bob PRIVMSG alice :\x01DCC SEND x {decimal(SRV)} 6500 1\x01\r\n".encode())
    s.put(tcp(A, 41000, SRV, 6500), tcp(PEER, 41000, A, 6500))


@scenario("irc-nat")
def irc_nat(s):
    """Offers behind MASQUERADE: lengths that change, ports that are taken, retransmissions; and a server inside, behind DNAT."""
    s.keys["inside"] = {"addrs": [f"{IN_GW}/24", "10.0.0.1/24"]}
    s.keys["iptables"] = IRC + masquerade("-A PREROUTING -i outside -p tcp -m tcp --dport 6667 -j DNAT --to-destination 192.168.1.66") + RELATED[:-2] + [
        "-A FORWARD -p tcp -m tcp --dport 6667 -j ACCEPT", "COMMIT"]
    t = Talk(s, s.flow(C, 44001, SRV, 6667, seen_client=GW))
    t.offer(5000, grow=1)
    t.again()
    s.note("who comes for it is seen as the server")
    d = s.flow(PEER, 45000, C, 5000, seen_client=SRV, seen_server=GW)
    d.open()
    d.c2s("PA", b"data")
    s.put(tcp(PEER, 45001, GW, 5000))
    s.note("the same again while it lives; two spaces become one; by the address that it has outside")
    t.offer(5000, grow=1)
    t.say(f"PRIVMSG bob :\x01DCC CHAT chat {decimal(C)}  5002\x01\r\n")
    s.put(tcp(PEER, 45002, GW, 5002))
    t.offer(5003, address=GW)
    s.put(tcp(PEER, 45003, GW, 5003))
    s.note("another client offers the same port: the next one is taken")
    u = Talk(s, s.flow(A, 44002, SRV, 6667, seen_client=GW))
    t.offer(5010, grow=1)
    u.offer(5010)
    u.offer(65535)
    s.put(tcp(PEER, 45010, GW, 5010), tcp(PEER, 45011, GW, 5011), tcp(PEER, 45012, GW, 65535))
    s.note("nine at once: the oldest makes room")
    for port in range(5100, 5109):
        u.offer(port)
    s.put(tcp(PEER, 45100, GW, 5100), tcp(PEER, 45101, GW, 5101), tcp(PEER, 45108, GW, 5108))
    s.note("after 300 s")
    u.offer(5200)
    s.step(advance=299)
    s.put(tcp(PEER, 45200, GW, 5200))
    u.offer(5201)
    s.step(advance=301)
    s.put(tcp(PEER, 45201, GW, 5201))
    s.note("a client outside of a server inside: it offers its own address, for who comes from inside")
    v = Talk(s, s.flow(SRV, 43000, "192.168.1.66", 6667, seen_server=GW))
    v.offer(6000)
    d = s.flow(A, 46000, SRV, 6000, seen_client=GW)
    d.open()
    s.put(tcp("192.168.1.66", 46001, SRV, 6000))


def request(op, rest=b"boot.img\0octet\0"):
    """A packet of TFTP with that operation."""
    return bytes([op >> 8, op & 255]) + rest


@scenario("tftp-requests")
def tftp_requests(s):
    """What is a request; whose answer is expected, where and for how long; a server inside on another port, behind DNAT."""
    s.keys["iptables"] = table("raw", "-A PREROUTING -p udp -m udp --dport 69 -j CT --helper tftp",
                               "-A PREROUTING -p udp -m udp --dport 6969 -j CT --helper tftp") + masquerade(
        "-A PREROUTING -i outside -p udp -m udp --dport 6969 -j DNAT --to-destination 192.168.1.69:69") + table(
        "filter", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A FORWARD -i inside -j ACCEPT",
        "-A FORWARD -p udp -m udp --dport 69 -j ACCEPT", FORWARD="DROP")
    s.note("operations 0 to 7 and others, each from a port of its own, and who answers")
    for number, op in enumerate((0, 1, 2, 3, 4, 5, 6, 7, 0x0101, 0x0100, 0x8001)):
        s.put(udp(A, 2000 + number, TFTP, 69, request(op)), udp(TFTP, 3000 + number, GW, 2000 + number, b"\0\3\0\1data"))
    s.note("one byte, two bytes, none; no name; options")
    for number, payload in enumerate((b"\0", b"\0\1", b"", b"\0\1\0\0", request(1, b"f\0octet\0blksize\0001400\0tsize\0000\0"))):
        s.put(udp(A, 2100 + number, TFTP, 69, payload), udp(TFTP, 3100 + number, GW, 2100 + number, b"\0\3\0\1data"))
    s.note("a transfer; then from another port, another host, to another port")
    s.put(udp(A, 2200, TFTP, 69, request(2)), udp(TFTP, 3200, GW, 2200, b"\0\4\0\0"), udp(A, 2200, TFTP, 3200, b"\0\3\0\1data"),
          udp(TFTP, 3201, GW, 2200, b"\0\4\0\1"), udp(PEER, 3200, GW, 2200, b"\0\4\0\1"), udp(TFTP, 3200, GW, 2201, b"\0\4\0\1"))
    s.note("asked twice before the answer; another host answers; an error on port 69")
    s.put(udp(A, 2300, TFTP, 69, request(1)), udp(A, 2300, TFTP, 69, request(1)), udp(PEER, 3300, GW, 2300, b"\0\3\0\1no"),
          udp(TFTP, 69, GW, 2300, b"\0\5\0\1no\0"), udp(TFTP, 3300, GW, 2300, b"\0\3\0\1yes"), udp(TFTP, 3301, GW, 2300, b"\0\3\0\1no"))
    s.note("two servers at once from one port")
    s.put(udp(A, 2400, TFTP, 69, request(1)), udp(A, 2400, PEER, 69, request(1)), udp(PEER, 3400, GW, 2400, b"\0\3\0\1b"),
          udp(TFTP, 3400, GW, 2400, b"\0\3\0\1a"))
    s.note("the request's own entry is gone after 30 s, and what it expected with it")
    s.put(udp(A, 2500, TFTP, 69, request(1)))
    s.step(advance=29)
    s.put(udp(TFTP, 3500, GW, 2500, b"\0\3\0\1late"), udp(A, 2501, TFTP, 69, request(1)))
    s.step(advance=31)
    s.put(udp(TFTP, 3501, GW, 2501, b"\0\3\0\1later"))
    s.note("a server inside: its answer leaves from the address that was asked")
    s.put(udp(SRV, 2600, GW, 6969, request(1)), udp("192.168.1.69", 3600, SRV, 2600, b"\0\3\0\1data"), udp(SRV, 2600, GW, 3600, b"\0\4\0\1"),
          udp("192.168.1.69", 3601, SRV, 2600, b"\0\3\0\1other"))


@scenario("ipv6-tftp")
def tftp6(s):
    """The same over IPv6, with MASQUERADE and without."""
    helper = "-A PREROUTING -p udp -m udp --dport 69 -j CT --helper tftp"
    rules = ("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A FORWARD -i inside -j ACCEPT")
    six(s, table("raw", helper), nat("-A POSTROUTING -s fd00:1::20/128 -o outside -j MASQUERADE"), table("filter", *rules, FORWARD="DROP"))
    for client, seen, port in ((A6, A6, 2000), (B6, GW6, 2100)):
        s.note(f"{client} asks")
        for op in (1, 2, 3, 5):
            s.put(udp6(client, port + op, S6, 69, request(op)), udp6(S6, 3000 + op, seen, port + op, b"\0\3\0\1data"))
        s.put(udp6(client, port + 1, S6, 3001, b"\0\4\0\1"), udp6(S6, 3009, seen, port + 1, b"\0\3\0\1other"))
        s.note("another host answers, and then the right one, with a checksum of zero")
        wrong = udp6(S6, 3010, seen, port + 10, b"\0\3\0\1data")
        wrong["UDP"].chksum = 0
        s.put(udp6(client, port + 10, S6, 69, request(1)), udp6("2001:db8:2::9", 3010, seen, port + 10, b"\0\3\0\1no"), wrong,
              udp6(S6, 3010, seen, port + 10, b"\0\3\0\1data"))
    s.note("both from one port")
    s.put(udp6(A6, 2300, S6, 69, request(1)), udp6(B6, 2300, S6, 69, request(1)), udp6(S6, 3300, A6, 2300, b"\0\3\0\1a"),
          udp6(S6, 3300, GW6, 2300, b"\0\3\0\1b"))
    s.note("a request to the router itself, and one that it sends")
    s.put(udp6(A6, 2400, IN6_GW, 69, request(1)), udp6(GW6, 2401, S6, 69, request(1)), udp6(S6, 3401, GW6, 2401, b"\0\3\0\1own"))


@scenario("netbios-queries")
def netbios(s):
    """Queries of the router itself to each of its networks; who may answer, how long, and through which rules."""
    s.keys["inside"] = {"addrs": [f"{IN_GW}/24", "10.0.0.1/20"]}
    s.keys["iptables"] = table("raw", "-A OUTPUT -p udp -m udp --dport 137 -j CT --helper netbios-ns") + table(
        "filter", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", INPUT="DROP")
    s.keys["local_services"] = [{"proto": "udp", "port": port, "echo": False} for port in (137, 1025)]
    query, told = bytes.fromhex("123401100001000000000000"), b"\x12\x34\x84\x00" + b"\0" * 20
    s.note("a network of 20 bits: its first and last hosts answer, one beyond it, one of the other network")
    s.put(udp("10.0.0.1", 137, "10.0.15.255", 137, query))
    for host in ("10.0.0.2", "10.0.15.254", "10.0.15.255", "10.0.0.0", "10.0.16.1", "192.168.1.10", "10.0.0.1"):
        s.put(udp(host, 137, "10.0.0.1", 137, told))
    s.note("another port, another address of the router, answers of answers")
    s.put(udp("10.0.0.3", 138, "10.0.0.1", 137, told), udp("10.0.0.3", 137, IN_GW, 137, told), udp("10.0.0.3", 137, "10.0.0.1", 1025, told),
          udp("10.0.0.2", 137, "10.0.0.1", 137, told), udp("10.0.0.1", 137, "10.0.0.2", 137, query), udp("10.0.0.2", 137, "10.0.0.1", 137, told))
    s.note("asked again within three seconds: it is expected for longer; and then no more")
    s.step(advance=2)
    s.put(udp("10.0.0.1", 137, "10.0.15.255", 137, query))
    s.step(advance=2)
    s.put(udp("10.0.0.4", 137, "10.0.0.1", 137, told))
    s.step(advance=4)
    s.put(udp("10.0.0.5", 137, "10.0.0.1", 137, told), udp("10.0.0.4", 137, "10.0.0.1", 137, told))
    s.note("both networks and outside; from the address of another network")
    s.put(udp(IN_GW, 1025, "192.168.1.255", 137, query), udp("10.0.0.1", 1025, "10.0.15.255", 137, query), udp(GW, 1025, "203.0.113.255", 137, query))
    s.put(udp("192.168.1.7", 137, IN_GW, 1025, told), udp("10.0.0.7", 137, "10.0.0.1", 1025, told), udp("203.0.113.7", 137, GW, 1025, told))
    s.put(udp("10.0.0.1", 1026, "192.168.1.255", 137, query), udp("192.168.1.8", 137, "10.0.0.1", 1026, told), udp("10.0.0.8", 137, "10.0.0.1", 1026, told))
    s.note("a host, everybody, the network's first address, a group")
    for number, to in enumerate(("192.168.1.9", "255.255.255.255", "192.168.1.0", "239.1.2.3")):
        s.put(udp(IN_GW, 1030 + number, to, 137, query), udp("192.168.1.11", 137, IN_GW, 1030 + number, told))
    s.note("an empty query; one that is no query; on a port without a helper")
    for number, (port, payload) in enumerate(((137, b""), (137, b"x"), (138, query))):
        s.put(udp(IN_GW, 1040 + number, "192.168.1.255", port, payload), udp("192.168.1.12", port, IN_GW, 1040 + number, told))
