"""Matches of IPv6: what looks at extension headers, each against each kind of packet; what remembers addresses."""
from parts.builder import A6, B6, E6, IPv6, Raw, S6, TCP, UDP, scenario, table
from parts.fragments6 import HOP, PAD, part, whole
from parts.ipv6 import ping6, six, tcp6, udp6
from scapy.all import (AH, ESP, Ether, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Jumbo, PadN, Pad1,
                       RouterAlert)

EUI = "fd00:1::ff:fe00:102"
RULES = ["-m frag --fragid 7", "-m frag ! --fragid 1:9", "-m frag --fragfirst --fragmore", "-m frag --fraglast", "-m frag --fragres",
         "-m hbh", "-m hbh --hbh-len 8", "-m hbh ! --hbh-len 8", "-m hbh --hbh-opts 5", "-m hbh --hbh-opts 5:2,1:0", "-m hbh --hbh-opts 1:4",
         "-m hbh --hbh-opts 0,0,1", "-m hbh --hbh-opts 5,1,1",
         "-m dst", "-m dst --dst-len 16", "-m dst --dst-opts 1:12", "-m dst --dst-opts 1:4",
         "-m rt", "-m rt --rt-type 0", "-m rt ! --rt-type 0", "-m rt --rt-segsleft 1:9", "-m rt ! --rt-segsleft 1:9", "-m rt --rt-len 40",
         "-m rt --rt-type 0 --rt-0-res", "-m rt --rt-type 0 --rt-0-addrs 2001:db8:9::1,2001:db8:9::2",
         "-m rt --rt-type 0 --rt-0-addrs 2001:db8:9::2", "-m rt --rt-type 0 --rt-0-addrs 2001:db8:9::2 --rt-0-not-strict",
         "-m ipv6header --header hop,prot", "-m ipv6header --header hop --soft", "-m ipv6header ! --header hop,prot",
         "-m ipv6header ! --header hop,dst --soft", "-m ipv6header --header none", "-m ipv6header --header esp --soft",
         "-m ipv6header --header prot", "-m ipv6header --header auth,prot", "-m ipv6header --header frag --soft",
         "-m ah --ahspi 9", "-m ah ! --ahspi 1:8", "-m ah --ahlen 24", "-m ah --ahres",
         "-p esp -m esp --espspi 5:6", "-p esp -m esp ! --espspi 5",
         "-p mobility-header -m mh --mh-type 1:5", "-p mobility-header -m mh ! --mh-type bu", "-m eui64"]


def packets():
    """Kinds of packets; each is sent to each rule."""
    def behind(*extensions, upper=None, **ip):
        packet = E6() / IPv6(**({"src": A6, "dst": S6} | ip))
        for extension in extensions:
            packet = packet / extension
        return packet / (upper or UDP(sport=5000, dport=53) / Raw(b"data"))
    alert = IPv6ExtHdrHopByHop(options=[RouterAlert(otype=5, value=0), PadN(optdata=b"")])
    route = IPv6ExtHdrRouting(addresses=["2001:db8:9::1", "2001:db8:9::2"], segleft=0)
    ah = AH(nh=17, payloadlen=4, spi=9, seq=1, icv=b"0123456789ab")
    yield behind()
    yield behind(HOP)
    yield behind(alert)
    yield behind(IPv6ExtHdrHopByHop(options=[Pad1(), Pad1(), PadN(optdata=b"\0\0")]), PAD)
    yield behind(IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(12))]))
    yield behind(route)
    yield behind(IPv6ExtHdrRouting(type=2, addresses=["2001:db8:9::2"], segleft=1))
    yield behind(ah)
    yield behind(ESP(spi=5, seq=1, data=b"encrypted"), upper=Raw(b"more"))
    yield E6() / IPv6(src=A6, dst=S6, nh=59)
    yield E6() / IPv6(src=A6, dst=S6, nh=135) / Raw(bytes([59, 0, 5, 0, 0, 0, 0, 0]))
    yield part(A6, S6, 7, whole(A6, S6, 96)[0], 0, 33, True)
    yield E6() / IPv6(src=A6, dst=S6, nh=60) / Raw(b"\x11\x04\x01\x04\0\0\0\0")
    yield E6() / IPv6(src=A6, dst=S6, nh=43) / Raw(b"\x11\x00")
    yield E6() / IPv6(src=A6, dst=S6, nh=43) / Raw(b"\x11\x04\x00\x00\0\0\0\0")
    yield E6() / IPv6(src=A6, dst=S6, nh=51) / Raw(b"\x3b\x00\0\0\0\0\0\x09")
    eui = behind(src=EUI)
    eui[Ether].src = "02:00:00:00:01:02"
    yield eui


def asked(s, rules):
    """The hop limit of a packet says which rule it is asked."""
    six(s, table("mangle", *[f"-A PREROUTING -m hl --hl-eq {n + 10} -j MARK --set-xmark {n + 10:#x}/0xffffffff" for n in range(len(rules))]),
        table("filter", *[f"-A FORWARD {rule} -m mark --mark {n + 10:#x} -j DROP" for n, rule in enumerate(rules)]))
    for packet in packets():
        s.note(packet.summary())
        for n in range(len(rules)):
            sent = packet.copy()
            sent[IPv6].hlim = n + 10
            s.put(sent)


@scenario("ipv6-rules-fragments")
def fragments(s):
    """Fragment headers and hop-by-hop options."""
    asked(s, RULES[:13])


@scenario("ipv6-rules-routes")
def routes(s):
    """Destination options and routing headers."""
    asked(s, RULES[13:27])


@scenario("ipv6-rules-headers")
def headers(s):
    """Which headers there are; authentication, encapsulation, mobility; addresses made from stations."""
    asked(s, RULES[27:])


@scenario("ipv6-rules-memory")
def memory(s):
    """recent, hashlimit and connlimit by addresses and prefixes of IPv6."""
    six(s, table("filter", "-A FORWARD -p udp -m udp --dport 1 -m recent --name a --update --seconds 60 --hitcount 3 --rsource -j DROP",
                 "-A FORWARD -p udp -m udp --dport 1 -m recent --name a --set --rsource -j ACCEPT",
                 "-A FORWARD -p udp -m udp --dport 2 -m recent --name b --rcheck --mask ffff:ffff:ffff:ffff:: --rdest -j DROP",
                 "-A FORWARD -p udp -m udp --dport 2 -m recent --name b --set --mask ffff:ffff:ffff:ffff:: --rdest",
                 "-A FORWARD -p udp -m udp --dport 3 -m recent --name c --rcheck --rttl -j DROP",
                 "-A FORWARD -p udp -m udp --dport 3 -m recent --name c --set",
                 "-A FORWARD -p udp -m udp --dport 4 -m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name d -j ACCEPT",
                 "-A FORWARD -p udp -m udp --dport 4 -j DROP",
                 "-A FORWARD -p udp -m udp --dport 5:6 -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 1 --hashlimit-mode srcip,dstport --hashlimit-srcmask 64 --hashlimit-name e -j DROP",
                 "-A FORWARD -p tcp -m tcp --dport 7 -m connlimit --connlimit-above 2 -j DROP",
                 "-A FORWARD -p tcp -m tcp --dport 8 -m connlimit --connlimit-upto 1 --connlimit-mask 64 -j ACCEPT",
                 "-A FORWARD -p tcp -m tcp --dport 8 -j DROP"))
    s.note("seen three times; another sender")
    s.put(*[udp6(A6, 5000, S6, 1)] * 5, udp6(B6, 5000, S6, 1))
    s.note("any address of the network counts")
    s.put(udp6(A6, 5000, S6, 2), udp6(A6, 5000, "2001:db8:2::99", 2), udp6(A6, 5000, "2001:db8:3::99", 2))
    s.note("the same hop limit, and another")
    s.put(udp6(A6, 5000, S6, 3), udp6(A6, 5000, S6, 3, hlim=9), udp6(A6, 5000, S6, 3))
    s.note("two at once; each sender its own")
    s.put(*[udp6(A6, 5000, S6, 4)] * 3, udp6(B6, 5000, S6, 4))
    s.note("a network's, by port")
    s.put(udp6(A6, 5000, S6, 5), udp6(B6, 5000, S6, 5), udp6(B6, 5000, S6, 6))
    s.note("connections of a host, of a network")
    s.put(*[tcp6(A6, 6000 + n, S6, 7) for n in range(4)], tcp6(B6, 6000, S6, 7))
    s.put(tcp6(A6, 6100, S6, 8), tcp6(B6, 6100, S6, 8), tcp6(A6, 6100, S6, 8))
    s.put(ping6(A6, S6))


@scenario("ipv6-rules-cut")
def cut(s):
    """Rules that look for ports drop what its extension headers do not lead to them: `-p` needs four bytes of a routing header, hashlimit
    any header behind them, but for later fragments."""
    six(s, table("mangle", "-A PREROUTING -m hl --hl-eq 10 -m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 50 --hashlimit-mode srcip,dstport "
                 "--hashlimit-name upto", "-A PREROUTING -m hl --hl-eq 11 -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 5 --hashlimit-mode dstport "
                 "--hashlimit-name above", "-A PREROUTING -m hl --hl-eq 12 -p udp -m udp --dport 6", "-A PREROUTING -m hl --hl-eq 13 -p udp -m multiport --dports 6",
                 "-A PREROUTING -m hl --hl-eq 14 ! -p udp"))
    tails = ["", "3b00", "1105000000000000", "3c00000000000000", "1100010400000000", "11000104000000000005000600080000"]
    for rule in range(5):
        for nh in (60, 43, 51, 0, 135, 59, 50, 99):
            s.put(*(E6() / IPv6(src=A6, dst=S6, nh=nh, hlim=10 + rule) / Raw(bytes.fromhex(tail)) for tail in tails))
