"""Who asks the router for the time."""
from parts.builder import A, B, E, GW, IN_GW, IP, Raw, SRV, echo, icmp, masquerade, scenario, table
from parts.ip_options import with_options
from scapy.all import checksum, fragment

EVERYBODY, ALL_HOSTS = ("255.255.255.255", "ff:ff:ff:ff:ff:ff"), ("224.0.0.1", "01:00:5e:00:00:01")
NETWORK = ("192.168.1.255", "ff:ff:ff:ff:ff:ff")


def asked(src, dst, seq, **fields):
    return icmp(src, dst, 13, id=7, seq=seq, **fields)


def cut(src, dst, seq, length):
    """A request of so many bytes, and its checksum right."""
    message = bytes([13, 0, 0, 0, 0, 8]) + seq.to_bytes(2, "big") + bytes.fromhex("01a50ca6") + bytes(24)
    message = message[:length]
    return E() / IP(src=src, dst=dst, id=1, proto=1, ttl=64) / Raw(message[:2] + checksum(message).to_bytes(2, "big") + message[4:])


def to_many(packet, address):
    packet[IP].dst, packet.dst = address
    return packet


@scenario("local-times")
def times(s):
    """The router tells the time, by the clock of its own, to whoever asks it alone; times are compared with nothing."""
    s.keys["iptables"] = table("raw", "-A PREROUTING -m tos --tos 0x08/0xff -j NOTRACK") + masquerade(
        "-A PREROUTING -i outside -d 203.0.113.9 -j DNAT --to-destination 192.168.1.20",
        "-A PREROUTING -i inside -d 198.51.100.9 -p icmp -j REDIRECT",
    ) + table("filter", "-A INPUT -m tos --tos 0x10/0xff -j DROP", "-A OUTPUT -p icmp -m icmp --icmp-type 14 -m ttl --ttl-eq 64",
              "-A OUTPUT -p icmp -m icmp --icmp-type 14 -m dscp --dscp 0x09 -j REJECT", "-A OUTPUT -p icmp -m icmp --icmp-type 14 -m dscp --dscp 0x0a -j DROP")
    s.note("from either side, the outside address from inside; again; the last hop; a code")
    s.put(asked(A, IN_GW, 1), asked(SRV, GW, 2), asked(A, GW, 3), asked(A, GW, 3), asked(A, IN_GW, 4, ttl=1), asked(A, IN_GW, 5, code=3))
    s.note("what it brings of the other times is written over; what stands behind them is not sent back")
    s.put(asked(A, IN_GW, 6, ts_rx=5, ts_tx=6), asked(A, IN_GW, 7, payload=b"more"), asked(A, IN_GW, 8, payload=bytes(1400)))
    s.note("with less than the asker's own time in it: nothing; the other times are not needed")
    s.put(*(cut(A, IN_GW, 20 + n, n) for n in (8, 9, 11, 12, 13, 16, 19, 20, 21)))
    s.note("a type of service; dropped in INPUT; untracked; rejected and dropped in OUTPUT; a broken sum")
    for n, tos in enumerate((0x1b, 0x10, 0x08, 0x24, 0x28)):
        packet = asked(A, IN_GW, 50 + n)
        packet[IP].tos = tos
        s.put(packet)
    broken = asked(A, IN_GW, 60)
    broken["ICMP"].chksum = 0x1234
    s.put(broken)
    s.note("through the router: it is not asked; redirected to it; what it has asked itself, by lo")
    s.put(asked(A, SRV, 61), asked(SRV, "203.0.113.9", 62), asked(A, "198.51.100.9", 63), asked(GW, IN_GW, 64))
    s.note("options are answered with options")
    for n, text in enumerate(("070b040000000000000000", "01010101", "07030300")):
        s.put(with_options(asked(A, IN_GW, 70 + n), text))
    s.note("in pieces")
    s.put(*fragment(asked(A, IN_GW, 80, payload=bytes(60)), 40), *fragment(asked(A, IN_GW, 81), 8))
    s.note("of nobody alone: not, unless it is allowed; a frame for all with the router's address")
    for allowed in (True, False):
        s.put(*(to_many(asked(A, IN_GW, 90), address) for address in (NETWORK, EVERYBODY, ALL_HOSTS, (IN_GW, NETWORK[1]), (IN_GW, ALL_HOSTS[1]))))
        s.put(*(to_many(echo(A, IN_GW, 91), address) for address in (NETWORK, EVERYBODY, ALL_HOSTS, (IN_GW, NETWORK[1]), (IN_GW, ALL_HOSTS[1]))))
        if allowed:
            s.step(sysctl={"net.ipv4.icmp_echo_ignore_broadcasts": 0})
    s.note("who does not answer pings tells the time")
    s.step(sysctl={"net.ipv4.icmp_echo_ignore_all": 1})
    s.put(asked(A, IN_GW, 100), echo(A, IN_GW, 101))
    s.note("a reply that nobody waits for; information, address mask")
    s.put(icmp(A, IN_GW, 14, id=7, seq=110), icmp(A, IN_GW, 15), icmp(A, IN_GW, 17), asked(B, IN_GW, 111))
