"""Options of the IPv4 header: who is on the way writes into them, what cannot be is pointed to, and answers carry them back."""
from parts.builder import A, E, GW, IN_GW, IP, SRV, echo, scenario, table, tcp, udp
from scapy.all import UDP, Ether, Raw, checksum

RECORDS = {
    "room for one": "07070400000000", "room for two": "070b040000000000000000", "one of two taken": "070b08010203040000000000",
    "full": "07070801020304", "no room at all": "070304",
}
TIMES = {
    "asked of another host": "440c0503c633640700000000", "no room left": "4408090001020304", "some had no room": "4408092001020304",
    "fifteen had none": "440809f001020304", "asked, and no room": "440c0d03c633640701020304", "fifteen, asked": "440c0df3c633640701020304",
    "a kind that is not known": "440c05020000000000000000",
}
FINE = {"nothing": "01010101", "behind the end": "01000909", "router alert": "94040000", "router alert of another kind": "94040001",
        "not known": "63040102", "security": "820b000000000000000000", "a label": "8608000000010102", "a label of two tags": "860a0000000101020102"}
WRONG = {
    "record too short": "07020101", "record's pointer too low": "07030300", "record's pointer within": "0706040000000000",
    "two records": "0703040703040000", "times too short": "44030500", "times' pointer too low": "4408040000000000",
    "times' pointer within": "440b05010000000000000000", "two of times": "4404050044040500", "loose route too short": "83020101",
    "loose route's pointer too low": "8307030102030400", "two routes": "83070401020304890704010203040000", "alert too short": "94030000",
    "label too short": "8607000000010100", "label of no domain": "8608000000000102", "label's tag too long": "8608000000010103",
    "label's tag without a length": "860900000001010201000000", "two labels": "86080000000101028608000000010102",
    "longer than the header": "63090000", "of length 1": "63010000", "a length is missing": "01010107",
}
ROUTES = {"loose": "830704c633640900", "strict": "890704c633640900", "loose, used up": "830708c633640900"}
ALL = {**RECORDS, **TIMES, **FINE, **WRONG, **ROUTES}


def with_options(packet, text):
    """The packet with these bytes as options, filled up with ends."""
    extra = bytes.fromhex(text)
    extra += bytes(-len(extra) % 4)
    whole = bytes(packet[IP])
    head = bytearray(whole[:20])
    head[0] += len(extra) // 4
    head[2:4] = (len(whole) + len(extra)).to_bytes(2, "big")
    head[10:12] = bytes(2)
    head[10:12] = checksum(bytes(head) + extra).to_bytes(2, "big")
    return Ether(bytes(packet[Ether])[:14] + bytes(head) + extra + whole[20:])


def datagram(src, sport, dst, dport, text, ttl=64, data=b"options"):
    return with_options(udp(src, sport, dst, dport, data, ttl=ttl), text)


@scenario("ip-options-forwarded")
def forwarded(s):
    """What passes through is written into; what cannot be is told its sender, whatever rules say behind routing."""
    s.keys["iptables"] = table("filter", "-A FORWARD -p udp -m udp --dport 7 -j REJECT", "-A FORWARD -p udp -m udp --dport 53")
    for n, (name, text) in enumerate(ALL.items()):
        s.note(name)
        s.put(datagram(A, 5000 + n, SRV, 53, text), datagram(SRV, 53, A, 5000 + n, text))
    for name, text in RECORDS.items():
        s.note(f"{name}: refused, at its last hop, to nowhere")
        s.put(datagram(A, 6000, SRV, 7, text), datagram(A, 6001, SRV, 9, text, ttl=1), datagram(A, 6002, SRV, 9, text, data=bytes(700), ttl=1))


@scenario("ip-options-translated")
def translated(s):
    """Under NAT, the addresses that are written down are the router's own, and the sender is told of what he has sent."""
    s.keys["iptables"] = table("nat", "-A PREROUTING -i outside -p udp -m udp --dport 8053 -j DNAT --to-destination 192.168.1.20:53",
                               "-A POSTROUTING -o outside -j MASQUERADE")
    for n, (name, text) in enumerate({**RECORDS, "wrong": "07020101"}.items()):
        s.note(name)
        s.put(datagram(A, 5000 + n, SRV, 53, text), datagram(SRV, 53, GW, 5000 + n, text), datagram(SRV, 6000 + n, GW, 8053, text),
              datagram(A, 7000 + n, SRV, 53, text, ttl=1))


@scenario("ip-options-delivered")
def delivered(s):
    """Answers of the router carry records back, with room taken for itself."""
    s.keys["iptables"] = table("filter", "-A INPUT -p udp -m udp --dport 9", "-A INPUT -p udp -m udp --dport 7 -j REJECT")
    for n, (name, text) in enumerate(ALL.items()):
        s.note(name)
        for own, host in ((IN_GW, A), (GW, SRV)):
            s.put(with_options(echo(host, own, n, data=b"options"), text),
                  datagram(host, 5000 + n, own, 9, text), datagram(host, 5000 + n, own, 7, text),
                  with_options(tcp(host, 5000 + n, own, 81), text))
    two = "07130400000000000000000000000000000000"
    s.put(with_options(echo(A, GW, 500, data=b"options"), two),
          datagram(A, 5500, IN_GW, 9, two, data=bytes(900)))


def other(src, dst, protocol):
    """A packet of a protocol whose checksum the router does not know; the sum over its payload is right."""
    return E() / IP(src=src, dst=dst, proto=protocol, ttl=64) / Raw(bytes.fromhex("00010002fffc") + bytes(14))


def without_sum(packet):
    packet[UDP].chksum = 0
    return packet


@scenario("ip-options-answers-refused")
def answers_refused(s):
    """Who tells that an answer of the router's own is refused carries the answer's options once more."""
    s.keys["iptables"] = table("filter", "-A OUTPUT -p icmp -m icmp --icmp-type 0 -j REJECT --reject-with icmp-host-prohibited",
                               "-A OUTPUT -p tcp -j REJECT --reject-with icmp-host-prohibited", "-A OUTPUT", "-A INPUT")
    for n, (name, text) in enumerate({**RECORDS, **TIMES, **FINE}.items()):
        s.note(name)
        for own, host in ((IN_GW, A), (GW, SRV)):
            s.put(with_options(tcp(host, 5000 + n, own, 81), text), with_options(echo(host, own, n, data=b"options"), text))


@scenario("ip-options-refused")
def refused(s):
    """Where a record has been written to, the header's sum is off, and REJECT sums over the header: it says nothing, unless tracking has
    verified the checksum before; FORWARD sends no reset even then."""
    told = "-j REJECT --reject-with icmp-port-unreachable"
    refusals = (f"-p udp -m udp --dport 7 {told}", f"-p tcp -m tcp --dport 7 {told}", "-p tcp -m tcp --dport 8 -j REJECT --reject-with tcp-reset",
                f"-p icmp {told}", f"-p gre {told}", f"-p 99 {told}")
    rules = [f"-A {chain} {refusal}" for chain in ("INPUT", "FORWARD") for refusal in refusals]
    s.keys["iptables"] = table("raw", "-A PREROUTING -m tos --tos 0x10/0xff -j CT --notrack") + table("filter", *rules)
    for number, checked in enumerate((True, False)):
        if not checked:
            s.step(sysctl={"net.netfilter.nf_conntrack_checksum": 0})
        for untracked in (False, True):
            for name in ("room for one", "full", "nothing", "behind the end"):
                s.note(f"{name}{', untracked' if untracked else ''}{'' if checked else ', nobody verifies'}")
                port = 5000 + 100 * number + 10 * untracked
                for dst in (SRV, IN_GW):
                    packets = [udp(A, port, dst, 7), without_sum(udp(A, port + 1, dst, 7)), tcp(A, port, dst, 7), tcp(A, port, dst, 8),
                               tcp(A, port + 1, dst, 8, "A", ack=5), echo(A, dst, port), other(A, dst, 47), other(A, dst, 99)]
                    for packet in packets:
                        packet[IP].tos = 0x10 * untracked
                        s.put(with_options(packet, ALL[name]))


@scenario("ip-options-tcpmss")
def given_room(s):
    """TCPMSS makes a SYN longer whose IP options have been written to: it does not look at the header's sum."""
    s.keys["iptables"] = table("mangle", "-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1000")
    for n, (name, text) in enumerate({**RECORDS, **TIMES, **FINE}.items()):
        s.note(name)
        s.put(with_options(tcp(A, 5000 + n, SRV, 80), text), with_options(tcp(A, 6000 + n, SRV, 80, options=[("MSS", 1460)]), text))
