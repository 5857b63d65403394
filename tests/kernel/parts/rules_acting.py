"""Targets: NETMAP, TEE, TRACE, CLASSIFY, CHECKSUM, NFLOG, AUDIT; sets and the SET target."""
from parts.builder import A, B, GW, SRV, echo, scenario, table, tcp, udp


@scenario("rules-netmap")
def netmap(s):
    """NETMAP: a network for a network, in all its hooks, and the answers."""
    s.keys["iptables"] = table(
        "nat",
        "-A PREROUTING -i outside -d 203.0.113.128/25 -j NETMAP --to 192.168.1.0/25",
        "-A PREROUTING -i inside -d 10.9.0.0/16 -j NETMAP --to 198.51.0.0/16",
        "-A POSTROUTING -o outside -s 192.168.1.0/28 -j NETMAP --to 203.0.113.240/28",
        "-A POSTROUTING -o outside -s 192.168.1.16/28 -j NETMAP --to 203.0.113.77")
    s.put(udp(A, 5000, SRV, 53), udp(SRV, 53, "203.0.113.250", 5000))
    s.put(udp(SRV, 6000, "203.0.113.138", 7000), udp("192.168.1.10", 7000, SRV, 6000))
    s.put(udp(A, 5001, "10.9.100.7", 53), udp(SRV, 53, "203.0.113.250", 5001))
    s.put(udp("192.168.1.20", 5002, SRV, 53), udp("192.168.1.21", 5002, SRV, 53))
    s.put(tcp(A, 4000, SRV, 80), echo(A, SRV))


@scenario("rules-tee")
def tee(s):
    """TEE: a copy goes to another router before the original goes on, and is not copied again."""
    s.keys["neighbours"] = ["192.168.1.99", "203.0.113.99"]
    s.keys["iptables"] = table(
        "mangle",
        "-A PREROUTING -p udp --dport 1 -j TEE --gateway 192.168.1.99",
        "-A PREROUTING -p udp --dport 2 -j TEE --gateway 203.0.113.99",
        "-A PREROUTING -p udp --dport 3 -j TEE --gateway 192.168.1.99 --oif inside",
        "-A FORWARD -p udp --dport 4 -j TEE --gateway 192.168.1.99",
        "-A POSTROUTING -p udp --dport 5 -j TEE --gateway 192.168.1.99",
        "-A OUTPUT -p udp --dport 3 -j MARK --set-mark 5",
        "-A POSTROUTING -p udp --dport 1 -j TEE --gateway 203.0.113.99",
        "-A PREROUTING -p udp --dport 6 -j TEE --gateway 192.168.1.99",
        "-A PREROUTING -p udp --dport 6 -j TTL --ttl-set 9") + table(
        "filter",
        "-A OUTPUT -m conntrack --ctstate UNTRACKED -j ACCEPT")
    for port in (1, 2, 3, 4, 5, 6, 7):
        s.put(udp(A, 5000 + port, SRV, port))
    s.note("port 3: a copy that gets a mark is routed by its destination")
    s.note("a TTL of one: the original dies, its copy leaves with none")
    last = udp(A, 5010, SRV, 2)
    last.ttl = 2
    s.put(last)


@scenario("rules-trace", kmsg=True)
def trace(s):
    """TRACE: every rule, return and policy on the way; CLASSIFY, CHECKSUM, NFLOG and AUDIT let the packet go on."""
    s.keys["nflog_groups"] = [5]
    s.keys["iptables"] = table(
        "raw",
        "-A PREROUTING -p udp --dport 1 -j TRACE",
        "-A PREROUTING -p tcp --dport 2 -j TRACE") + table(
        "mangle",
        "-A POSTROUTING -j CLASSIFY --set-class 1:10",
        "-A POSTROUTING -p udp -j CHECKSUM --checksum-fill",
        "-A FORWARD -j NFLOG --nflog-group 5 --nflog-prefix \"seen: \" --nflog-size 20",
        "-A FORWARD -j AUDIT --type accept") + table(
        "filter",
        "-A FORWARD -p udp -j first",
        "-A FORWARD -p tcp -j second",
        "-A FORWARD -j DROP",
        "-A first -p tcp -j DROP",
        "-A first -p udp --dport 1 -j nested",
        "-A first -p udp -j ACCEPT",
        "-A nested -m mark --mark 7 -j ACCEPT",
        "-A second -j RETURN",
        "-A second -p tcp -j ACCEPT",
        chains=("first", "nested", "second"), FORWARD="DROP")
    s.put(udp(A, 5000, SRV, 1, b"traced"), tcp(A, 4000, SRV, 2, options=(("MSS", 1460),)), udp(A, 5001, SRV, 3))


@scenario("rules-sets")
def sets(s):
    """Sets of every kind: networks with exceptions, ports, pairs, lists, counters; SET adds, takes out, times out."""
    s.keys["setup"] = [
        "ipset create hosts hash:ip", "ipset add hosts 192.168.1.10",
        "ipset create nets hash:net", "ipset add nets 192.168.1.0/24", "ipset add nets 192.168.1.16/28 nomatch",
        "ipset add nets 192.168.1.20/32",
        "ipset create services hash:ip,port", "ipset add services 198.51.100.7,udp:53",
        "ipset add services 198.51.100.7,icmp:echo-request",
        "ipset create netports hash:net,port", "ipset add netports 198.51.100.0/24,tcp:80",
        "ipset create pairs hash:ip,port,ip", "ipset add pairs 192.168.1.10,udp:7,198.51.100.7",
        "ipset create pairnets hash:ip,port,net", "ipset add pairnets 192.168.1.10,udp:8,198.51.100.0/25",
        "ipset create ways hash:net,iface", "ipset add ways 192.168.1.0/24,inside",
        "ipset create few bitmap:ip range 192.168.1.0-192.168.1.15", "ipset add few 192.168.1.11",
        "ipset create ports bitmap:port range 0-1023", "ipset add ports 10", "ipset add ports 12-14",
        "ipset create both list:set", "ipset add both few", "ipset add both hosts",
        "ipset create counted hash:ip counters", "ipset add counted 192.168.1.10",
        "ipset create grown hash:ip timeout 2", "ipset create grown4 hash:ip,port",
        "ipset create masked hash:ip netmask 24"]
    s.keys["iptables"] = table(
        "mangle",
        "-A PREROUTING -p udp --dport 20 -j SET --add-set grown src",
        "-A PREROUTING -p udp --dport 22 -j SET --del-set grown src",
        "-A PREROUTING -p udp --dport 23 -j SET --add-set grown src --exist --timeout 30",
        "-A PREROUTING -p udp --dport 24:25 -j SET --add-set grown4 src,dst",
        "-A PREROUTING -p udp --dport 26 -j SET --add-set masked src") + table(
        "filter",
        "-A FORWARD -p udp --dport 1 -m set --match-set hosts src -j ACCEPT",
        "-A FORWARD -p udp --dport 2 -m set ! --match-set hosts src -j ACCEPT",
        "-A FORWARD -p udp --dport 3 -m set --match-set nets src -j ACCEPT",
        "-A FORWARD -p udp --dport 4 -m set --match-set nets src --return-nomatch -j ACCEPT",
        "-A FORWARD -m set --match-set services dst,dst -j ACCEPT",
        "-A FORWARD -p tcp -m set --match-set netports dst,dst -j ACCEPT",
        "-A FORWARD -m set --match-set pairs src,dst,dst -j ACCEPT",
        "-A FORWARD -m set --match-set pairnets src,dst,dst -j ACCEPT",
        "-A FORWARD -p udp --dport 9 -m set --match-set ways src,src -j ACCEPT",
        "-A FORWARD -p udp --dport 9 -m set --match-set ways dst,src -j ACCEPT",
        "-A FORWARD -p udp --dport 5 -m set --match-set few src -j ACCEPT",
        "-A FORWARD -m set --match-set ports dst -j ACCEPT",
        "-A FORWARD -p udp --dport 6 -m set --match-set both src -j ACCEPT",
        "-A FORWARD -p udp --dport 15 -m set --match-set counted src --packets-gt 2 -j ACCEPT",
        "-A FORWARD -p udp --dport 16 -m set --match-set counted src ! --update-counters --packets-eq 4 -j ACCEPT",
        "-A FORWARD -p udp --dport 17 -m set --match-set hosts src,dst -j ACCEPT",
        "-A FORWARD -p udp --dport 18 -m set --match-set pairs src,dst -j ACCEPT",
        "-A FORWARD -p udp --dport 21 -m set --match-set grown src -j ACCEPT",
        "-A FORWARD -p udp --dport 25 -m set --match-set grown4 src,dst -j ACCEPT",
        "-A FORWARD -p udp --dport 27 -m set --match-set masked src -j ACCEPT",
        FORWARD="DROP")
    c = "192.168.1.20"
    d = "192.168.1.21"
    for port in (1, 2, 3, 4, 5, 6):
        s.put(*[udp(source, 5000 + port, SRV, port) for source in (A, B, c, d)])
    s.put(udp(A, 5053, SRV, 53), udp(A, 5053, "198.51.100.8", 53), echo(A, SRV), echo(A, "198.51.100.8"))
    s.put(tcp(A, 4000, SRV, 80), tcp(A, 4000, SRV, 81), tcp(A, 4001, "198.51.101.7", 80))
    s.put(udp(A, 5007, SRV, 7), udp(B, 5007, SRV, 7), udp(A, 5008, SRV, 8), udp(A, 5008, "198.51.100.200", 8))
    s.put(udp(A, 5009, SRV, 9), udp(SRV, 5009, A, 9))
    s.put(*[udp(A, 5010, SRV, port) for port in (10, 11, 12, 14)], tcp(A, 4002, SRV, 13))
    s.note("counters count every packet that asks, unless the rule says no")
    s.put(*[udp(A, 5020 + n, SRV, 15) for n in range(4)], udp(A, 5030, SRV, 16), udp(A, 5031, SRV, 16))
    s.note("more ends than parts are fine, fewer are not")
    s.put(udp(A, 5017, SRV, 17), udp(A, 5018, SRV, 18))
    s.note("added by a packet, taken out by one, run out, kept by --exist")
    s.put(udp(A, 5021, SRV, 21), udp(A, 5020, SRV, 20), udp(A, 5022, SRV, 21), udp(A, 5023, SRV, 22), udp(A, 5024, SRV, 21))
    s.put(udp(A, 5025, SRV, 20), udp(B, 5026, SRV, 20), udp(B, 5027, SRV, 23))
    s.put(udp(A, 5028, SRV, 25), udp(A, 5029, SRV, 24), udp(A, 5029, SRV, 25))
    s.put(udp(A, 5032, SRV, 26), udp(B, 5033, SRV, 27))
    s.step(sleep=2.6)
    s.put(udp(A, 5034, SRV, 21), udp(B, 5035, SRV, 21))
