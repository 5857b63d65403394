"""What no other scenario reaches: every match, target, protocol and form of translation, in both families."""
import socket
import struct

from parts.builder import A, A6, B, B6, E, E6, GW, GW6, IN6_GW, IN_GW, IP, IPv6, Raw, S6, SRV, echo, scenario, table, tcp, udp
from parts.ipv6 import ping6, six, tcp6, udp6
from parts.sctp import COOKIE_ACK, COOKIE_ECHO, DATA, INIT, INIT_ACK, OF_CLIENT, OF_SERVER, chunk
from scapy.layers.sctp import crc32c

# Matches of both families, each rule without a target: its counters tell which packets it took.
BOTH = ["-m addrtype --dst-type LOCAL", "-m addrtype --src-type UNICAST", "-m addrtype ! --dst-type MULTICAST",
        "-m comment --comment \"said aloud\"", "-m connbytes --connbytes 2:3 --connbytes-dir both --connbytes-mode packets",
        "-m connbytes ! --connbytes 100 --connbytes-dir original --connbytes-mode bytes",
        "-m connlabel --label 3", "-m connlabel ! --label 3", "-m connmark --mark 0x7", "-m connmark ! --mark 0x7/0xf",
        "-m conntrack --ctstate NEW", "-m conntrack --ctproto 17", "-m conntrack --ctdir REPLY", "-m conntrack --ctstatus ASSURED",
        "-m dscp --dscp 0x2e", "-m dscp ! --dscp 0x2e", "-p tcp -m ecn --ecn-tcp-cwr", "-m ecn --ecn-ip-ect 2", "-m ecn ! --ecn-ip-ect 0",
        "-m helper --helper ftp", "-m helper ! --helper tftp", "-m length --length 0:60", "-m length ! --length 61:65535",
        "-m mac --mac-source 02:00:00:00:01:02", "-m mac ! --mac-source 02:00:00:00:01:02",
        "-m mark --mark 0x5", "-m mark ! --mark 0x5", "-p udp -m multiport --sports 1:99,5000", "-m pkttype --pkt-type unicast",
        "-m pkttype ! --pkt-type unicast", "-p sctp -m sctp --dport 9899", "-p sctp -m sctp --chunk-types any DATA",
        "-m set --match-set known src", "-m set ! --match-set known src", "-m state --state NEW,RELATED", "-m state ! --state INVALID",
        "-m statistic --mode nth --every 3 --packet 1", "-m string --string \"needle\" --algo bm --to 500",
        "-m string ! --hex-string \"|6e6565|dle\" --algo kmp", "-p tcp -m tcpmss --mss 1200:1300", "-p tcp -m tcpmss ! --mss 1:1000",
        "-m time --timestart 00:00:00 --timestop 23:59:59", "-m tos --tos 0x10/0xff", "-m tos ! --tos 0x10/0x3f",
        "-p tcp -m tcp --tcp-flags SYN,RST SYN", "-p tcp -m tcp ! --tcp-option 2", "-p udp -m udp --dport 53:54"]
FOUR = ["-m u32 --u32 \"0>>28=4\"", "-m u32 --u32 \"6&0xff=6&&0>>22&0x3c@0>>16=1:6000\"", "-m iprange --src-range 192.168.1.5-192.168.1.15",
        "-m iprange ! --dst-range 198.51.100.0-198.51.100.7", "-m ttl --ttl-eq 63", "-m ttl --ttl-lt 10", "-m ttl ! --ttl-eq 63",
        "-p ah -m ah --ahspi 7:9", "-p ah -m ah ! --ahspi 8", "-p esp -m esp --espspi 7:9", "-p esp -m esp ! --espspi 8",
        "-p icmp -m icmp --icmp-type 8", "-p icmp -m icmp ! --icmp-type echo-reply", "-m addrtype --dst-type BROADCAST --limit-iface-in"]
SIX = ["-m u32 --u32 \"0>>28=6\"", "-m u32 --u32 \"4&0xff00=0x600&&40>>16=1:6000\"", "-m iprange --src-range fd00:1::5-fd00:1::15",
       "-m hl --hl-eq 63", "-p esp -m esp --espspi 7:9", "-p ipv6-icmp -m icmp6 --icmpv6-type 128", "-m addrtype --dst-type ANYCAST"]
# What the packets are made to be before they are asked about.
MADE = ["-A PREROUTING -s {other} -j MARK --set-xmark 0x5/0xffffffff", "-A PREROUTING -s {other} -j CONNMARK --set-xmark 0x7/0xffffffff",
        "-A PREROUTING -p udp -m udp --dport 54 -m connlabel --label 3 --set"]
WAY_BACK = ["-A PREROUTING -m rpfilter", "-A PREROUTING -m rpfilter --invert", "-A PREROUTING -m rpfilter --loose",
            "-A PREROUTING -p udp -m socket", "-A PREROUTING -p udp -m socket --nowildcard"]


def asking(rules, net):
    """The rules in FORWARD, and two with `limit`, which counts packets of both ways."""
    return [f"-A FORWARD {rule}" for rule in rules] + [
        "-A FORWARD -m limit --limit 1/hour --limit-burst 3", f"-A FORWARD -s {net} -m limit --limit 2/hour --limit-burst 2",
        "-A FORWARD -m recent --set --name seen --mask {mask} --rsource", "-A FORWARD -m recent --rcheck --hitcount 3 --name seen --mask {mask} --rsource",
        "-A FORWARD -m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name each",
        "-A FORWARD -p udp -m connlimit --connlimit-upto 1 --connlimit-mask {bits} --connlimit-saddr"]


def ask(s, host, other, server, plain, stream, ping, raw):
    """Packets of every kind, through rules that only count."""
    s.note("TCP with an MSS, ECN and data; a second host, whose packets are marked")
    for n, source in enumerate((host, other)):
        s.put(stream(source, 5000, server, 80, options=[("MSS", 1250 + 400 * n)]),
              stream(server, 80, source, 5000, "SA", 7, 1001, options=[("MSS", 1400)]), stream(source, 5000, server, 80, "A", 1001, 8),
              stream(source, 5000, server, 80, "PAC", 1001, 8, b"a needle in here"), stream(server, 80, source, 5000, "A", 8, 1017),
              stream(source, 5000, server, 80, "PA", 1017, 8, bytes(600) + b"needle"))
    s.note("datagrams of several hosts, marked inside and out")
    for n in range(4):
        s.put(plain(host, 5000 + n, server, 53, bytes(n)), plain(other, 50 + n, server, 54, b"needle" * n))
        s.put(plain(server, 53, host, 5000 + n, bytes(40)), plain(server, 54, other, 50 + n, b"kneedless"))
    s.put(ping(host, server), ping(server, host, reply=True), ping(other, server))
    s.note("SCTP, AH, ESP, a protocol that has no name")
    for number, payload in ((132, head(5000, 9899, 0, chunk(INIT, tag=OF_CLIENT))), (132, head(5001, 9898, 1, chunk(DATA))),
                            (51, struct.pack("!BBHII", 59, 1, 0, 7, 1)), (50, struct.pack("!II", 8, 1)), (50, struct.pack("!II", 10, 1)),
                            (51, struct.pack("!BBHII", 59, 1, 0, 8, 1)), (99, b"something"), (50, b"abc")):
        s.put(raw(host, server, number, payload))


def head(sport, dport, tag, *chunks):
    """An SCTP packet from its ports on."""
    start = struct.pack("!HHII", sport, dport, tag, 0) + b"".join(chunks)
    return start[:8] + struct.pack("!I", crc32c(start)) + start[12:]


def raw4(src, dst, number, payload, **ip):
    return E() / IP(src=src, dst=dst, proto=number, **ip) / Raw(payload)


def raw6(src, dst, number, payload, **ip):
    return E6() / IPv6(src=src, dst=dst, nh=number, **ip) / Raw(payload)


@scenario("rules-asked")
def asked(s):
    """Every match of IPv4, asked about packets of every kind; the rules' counters tell what it said."""
    rules = [rule.format(mask="255.255.255.0", bits=24) for rule in asking(BOTH + FOUR, "192.168.1.0/24")]
    s.keys["setup"] = ["ipset create known hash:ip", f"ipset add known {A}"]
    s.keys["local_services"] = [{"proto": "udp", "port": 53, "reply": "answer"}]
    s.keys["iptables"] = table("raw", *WAY_BACK[:3], "-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp") + \
        table("mangle", *[rule.format(other=f"{B}/32") for rule in MADE], *WAY_BACK[3:]) + table("filter", *rules)
    ask(s, A, B, SRV, udp, tcp, echo, raw4)
    s.note("to the router, to all, with a type of service, at the end of its way; a connection with a helper")
    s.put(udp(A, 5050, IN_GW, 53), udp(A, 5051, IN_GW, 9), udp(A, 5052, "192.168.1.255", 53), udp(A, 5053, SRV, 53, tos=0xb8),
          udp(A, 5054, SRV, 53, tos=0x10), udp(A, 5055, SRV, 53, tos=0x02), udp(A, 5056, SRV, 53, ttl=5), udp("10.9.9.9", 5057, SRV, 53))
    s.put(tcp(A, 5100, SRV, 21), tcp(SRV, 21, A, 5100, "SA", 7, 1001))


@scenario("ipv6-rules-asked")
def asked6(s):
    """The same of IPv6."""
    rules = [rule.format(mask="ffff:ffff:ffff:ffff::", bits=64) for rule in asking(BOTH + SIX, "fd00:1::/64")]
    six(s, table("raw", *WAY_BACK[:3], "-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp"),
        table("mangle", *[rule.format(other=f"{B6}/128") for rule in MADE], *WAY_BACK[3:]), table("filter", *rules))
    s.keys["setup"] = ["ipset create known hash:ip family inet6", f"ipset add known {A6}"]
    s.keys["local_services"] = [{"proto": "udp", "port": 53, "addr": "::", "reply": "answer"}]
    ask(s, A6, B6, S6, udp6, tcp6, ping6, raw6)
    s.put(udp6(A6, 5050, IN6_GW, 53), udp6(A6, 5051, IN6_GW, 9), udp6(A6, 5053, S6, 53, tc=0xb8), udp6(A6, 5054, S6, 53, tc=0x10),
          udp6(A6, 5055, S6, 53, tc=0x02), udp6(A6, 5056, S6, 53, hlim=5), udp6("fd00:9::9", 5057, S6, 53))
    s.put(tcp6(A6, 5100, S6, 21), tcp6(S6, 21, A6, 5100, "SA", 7, 1001))


@scenario("ipv6-rules-acting", kmsg=True)
def acting6(s):
    """Targets over IPv6: NOTRACK, TRACE, CLASSIFY, CHECKSUM, NFLOG, AUDIT, SET, TEE, goto and return."""
    s.keys["neighbours"] = ["fd00:1::99"]
    six(s, table("raw", "-A PREROUTING -p udp -m udp --dport 1 -j TRACE", "-A PREROUTING -p udp -m udp --dport 2 -j NOTRACK"),
        table("mangle", "-A PREROUTING -p udp -m udp --dport 3 -j TEE --gateway fd00:1::99", "-A POSTROUTING -j CLASSIFY --set-class 1:10",
              "-A POSTROUTING -p udp -j CHECKSUM --checksum-fill",
              "-A FORWARD -j NFLOG --nflog-group 5 --nflog-prefix \"seen: \" --nflog-size 20", "-A FORWARD -j AUDIT --type accept",
              "-A FORWARD -p udp -m udp --dport 4 -j SET --add-set seen src", "-A FORWARD -m set --match-set seen src -j MARK --set-xmark 0x9/0xffffffff",
              "-A FORWARD -p udp -m udp --dport 5 -j SET --del-set seen src"),
        table("filter", "-A FORWARD -p udp -j first", "-A FORWARD -m mark --mark 0x9 -j DROP", "-A first -p udp -m udp --dport 6 -g second",
              "-A first -p udp -m udp --dport 7 -j RETURN", "-A first -p udp -m udp --dport 1 -j ACCEPT", "-A second -j RETURN",
              chains=("first", "second")))
    s.keys["nflog_groups"] = [5]
    s.keys["setup"] = ["ipset create seen hash:ip family inet6"]
    for port in (1, 2, 3, 4, 8, 5, 8, 6, 7):
        s.put(udp6(A6, 5000 + port, S6, port, bytes(port)))
    s.put(udp6(S6, 2, A6, 5002), tcp6(A6, 5000, S6, 80))


def forms(s, host, other, server, far, own, inside, plain, stream):
    """One flow of each kind through each form, and its answers."""
    s.note("each form, by its port; two hosts with one source port, so that something has to give way")
    for port in range(1, 20):
        for source in (host, other):
            s.put(plain(source, 5000, server, port))
    s.note("from outside, from the router itself and to it")
    for port in range(101, 112):
        s.put(plain(far, 6000, own, port), stream(far, 6001, own, port))
    for port in (201, 202):
        s.put(plain(own, 7000, server, port))
    for port in (301, 302):
        s.put(plain(host, 8000, inside, port), plain(other, 8000, inside, port))
    s.step(flush=True)
    s.put(plain(host, 5000, server, 99))


def nat_rules(host, own, pool, hosts, inside, single):
    """Every form of translation: sources by destination port 1 to 19, destinations from 101 on."""
    source = [f"SNAT --to-source {single}", f"SNAT --to-source {pool}", f"SNAT --to-source {{own}}:{4000}-{4001}", f"SNAT --to-source {single} --random",
              f"SNAT --to-source {single} --random-fully", f"SNAT --to-source {pool} --persistent", "MASQUERADE", "MASQUERADE --to-ports 4100-4101",
              "MASQUERADE --random", "MASQUERADE --random-fully"]
    rules = [f"-A POSTROUTING -o outside -p udp -m udp --dport {n} -j {form.format(own=own)}" for n, form in enumerate(source, 1)]
    aim = [f"DNAT --to-destination {host}", f"DNAT --to-destination {hosts}", "DNAT --to-destination {host}:81", "DNAT --to-destination {host}:90-95",
           "DNAT --to-destination {host}:1000-1999/100", "DNAT --to-destination {host}:90-95 --random", f"DNAT --to-destination {hosts} --persistent",
           "REDIRECT", "REDIRECT --to-ports 53", "REDIRECT --to-ports 53-55", "DNAT --to-destination :82"]
    bracketed = f"[{host}]" if ":" in host else host
    for n, form in enumerate(aim, 101):
        for protocol in ("udp", "tcp"):
            rules.append(f"-A PREROUTING -i outside -p {protocol} -m {protocol} --dport {n} -j {form.format(host=bracketed)}")
    rules += [f"-A OUTPUT -p udp -m udp --dport 201 -j DNAT --to-destination {single}", "-A OUTPUT -p udp -m udp --dport 202 -j REDIRECT --to-ports 53",
              f"-A INPUT -p udp -m udp --dport 301 -j SNAT --to-source {inside}", f"-A INPUT -p udp -m udp --dport 302 -j SNAT --to-source {inside} --random"]
    return rules


@scenario("nat-forms")
def nat_forms(s):
    """Every form of SNAT, DNAT, MASQUERADE and REDIRECT."""
    rules = nat_rules(A, GW, "203.0.113.20-203.0.113.23", f"{A}-{B}", "192.168.1.7", "203.0.113.9")
    s.keys["iptables"] = table("nat", *rules)
    s.keys["local_services"] = [{"proto": "udp", "port": 53, "reply": "answer"}]
    forms(s, A, B, SRV, SRV, GW, IN_GW, udp, tcp)


@scenario("ipv6-nat-forms")
def nat_forms6(s):
    """The same over IPv6, and NETMAP."""
    rules = nat_rules(A6, "[2001:db8:1::1]", "2001:db8:1::20-2001:db8:1::23", f"{A6}-{B6}", "fd00:1::7", "2001:db8:1::9")
    six(s, table("nat", *rules, "-A PREROUTING -i outside -d 2001:db8:1:7::/64 -j NETMAP --to fd00:1::/64",
                 "-A POSTROUTING -o outside -s fd00:1::/64 -p udp -m udp --dport 11:19 -j NETMAP --to 2001:db8:1:7::/64"))
    s.keys["local_services"] = [{"proto": "udp", "port": 53, "addr": "::", "reply": "answer"}]
    s.put(udp6(S6, 5000, "2001:db8:1:7::10", 77), udp6(S6, 5000, "2001:db8:1:7::20", 78), tcp6(S6, 5000, "2001:db8:1:7::10", 80))
    forms(s, A6, B6, S6, S6, GW6, IN6_GW, udp6, tcp6)


def others(s, host, server, raw, pseudo):
    """UDP-Lite and GRE both ways, SCTP up to data, a protocol of two addresses."""
    s.note("UDP-Lite: whole, half covered, with a wrong sum, without one")
    for n, (cover, wrong) in enumerate(((0, 0), (8, 0), (20, 0), (0, 1), (3, 0), (0, None))):
        s.put(raw(host, server, 136, lite(5000 + n, 53, pseudo, cover, wrong)))
    s.put(raw(server, host, 136, lite(53, 5000, pseudo, 0, 0)), raw(host, server, 136, lite(5000, 53, pseudo, 0, 0)))
    s.note("GRE without a key, with a call of PPTP, of another version")
    s.put(raw(host, server, 47, struct.pack("!HH", 0, 0x800) + b"payload"), raw(server, host, 47, struct.pack("!HH", 0, 0x800) + b"payload"))
    call = struct.pack("!HHHH", 0x2001, 0x880b, 4, 99) + b"data"
    s.put(raw(host, server, 47, call), raw(server, host, 47, call), raw(host, server, 47, struct.pack("!HHHH", 0x2001, 0x800, 4, 99)),
          raw(host, server, 47, struct.pack("!HH", 7, 0x800)), raw(host, server, 47, b"\0\0"))
    s.note("SCTP to data")
    for who, kind in (("c", INIT), ("s", INIT_ACK), ("c", COOKIE_ECHO), ("s", COOKIE_ACK), ("c", DATA), ("s", DATA)):
        tag = 0 if kind == INIT else OF_SERVER if who == "c" else OF_CLIENT
        own = OF_CLIENT if who == "c" else OF_SERVER
        if who == "c":
            s.put(raw(host, server, 132, head(5000, 9899, tag, chunk(kind, tag=own))))
        else:
            s.put(raw(server, host, 132, head(9899, 5000, tag, chunk(kind, tag=own))))
    s.put(raw(host, server, 99, b"one"), raw(server, host, 99, b"two"))
    s.step(flush=True)
    s.put(raw(host, server, 99, b"three"))


def lite(sport, dport, pseudo, cover, wrong):
    """A datagram of UDP-Lite, summed as Linux verifies it: with the protocol number of UDP."""
    data = b"half of this matters"
    covered = struct.pack("!HHHH", sport, dport, cover, 0) + data
    if cover >= 8:
        covered = covered[:cover]
    total = pseudo + sum(int.from_bytes(covered[at:at + 2].ljust(2, b"\0"), "big") for at in range(0, len(covered), 2)) + 8 + len(data)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    check = 0 if wrong is None else (~total & 0xffff) ^ wrong or 0xffff
    return struct.pack("!HHHH", sport, dport, cover, check) + data


def words(address, family):
    """The sum over an address."""
    packed = socket.inet_pton(family, address)
    return sum(struct.unpack(f"!{len(packed) // 2}H", packed))


@scenario("protocols")
def protocols(s):
    """Protocols that are tracked in a way of their own, over IPv4."""
    s.keys["iptables"] = table("nat")
    others(s, A, SRV, raw4, words(A, socket.AF_INET) + words(SRV, socket.AF_INET) + 17)


@scenario("ipv6-protocols")
def protocols6(s):
    """The same over IPv6."""
    six(s, table("nat"))
    others(s, A6, S6, raw6, words(A6, socket.AF_INET6) + words(S6, socket.AF_INET6) + 17)
