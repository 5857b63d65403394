"""Where packets say that they come from: rp_filter, accept_local, route_localnet, of all interfaces and of single ones."""
from parts.builder import A, B, E, GW, IN_GW, IP, Raw, SRV, UDP, echo, scenario, table, tcp, udp

OF = "net.ipv4.conf.{}.{}"
ELSEWHERE = [{"dst": "10.9.0.0/16", "via": "192.168.1.9", "dev": "inside"}, {"dst": "blackhole 10.8.0.0/16"},
             {"dst": "unreachable 10.7.0.0/16"}]


def kinds(number):
    """Packets of each kind of source, from either side, for hosts beyond and for the router itself."""
    for side, sources in (("inside", (A, "192.168.1.255", SRV, IN_GW, GW, "203.0.113.9", "203.0.113.255", "10.9.1.1", "10.8.1.1", "10.7.1.1",
                                      "127.0.0.1", "127.0.0.5", "240.0.0.1", "224.0.0.5", "0.0.0.0", "255.255.255.255", "0.0.0.7")),
                          ("outside", (SRV, "203.0.113.9", A, B, "192.168.1.255", GW, IN_GW, "10.9.1.1"))):
        for source in sources:
            far = "198.51.100.99" if side == "inside" else "192.168.1.77"
            for destination in (far, IN_GW, GW, "192.168.1.255", "255.255.255.255", "224.0.0.1", "224.0.1.9", "10.9.3.3", "10.8.3.3",
                                "127.0.0.1", "0.0.0.0"):
                yield side, udp(source, number, destination, 9)


def asked(s, **settings):
    s.keys["routes"] = s.keys["routes"] + ELSEWHERE[:1]
    s.keys["setup"] = ["ip route add blackhole 10.8.0.0/16", "ip route add unreachable 10.7.0.0/16"]
    s.keys["iptables"] = table("filter", "-A INPUT", "-A FORWARD")
    s.keys["sysctls"] = {OF.format(*name.rsplit("__", 1)): value for name, value in settings.items()}
    for side, packet in kinds(6000):
        s.put(packet, side=side)


@scenario("sources-unchecked")
def unchecked(s):
    """Without rp_filter: whoever claims to be the router itself, nobody, a group or everybody, from either side."""
    asked(s)


@scenario("sources-strict")
def strict(s):
    """rp_filter 1: an answer would have to leave by the device that the packet came in by; tracking has seen what is dropped."""
    asked(s, all__rp_filter=1)
    s.note("of one device only; more than is known means 2; the greater one of all and the device counts")
    for of_all, outside in ((0, 1), (0, 2), (1, 2), (2, 1), (0, 7), (2, 0), (0, 0)):
        s.step(sysctl={OF.format("all", "rp_filter"): of_all, OF.format("outside", "rp_filter"): outside})
        for side, source, destination in (("outside", A, "192.168.1.77"), ("inside", SRV, "203.0.113.77"), ("outside", "10.8.1.1", A),
                                          ("outside", SRV, A)):
            s.put(udp(source, 6100, destination, 9), side=side)
    s.note("a device that has not been told takes what is the default by now")
    s.step(sysctl={OF.format("default", "rp_filter"): 1})
    s.put(udp(A, 6200, "192.168.1.77", 9), side="outside")
    s.put(udp(SRV, 6200, "203.0.113.77", 9), side="inside")


@scenario("sources-loose")
def loose(s):
    """rp_filter 2: any way back will do, but there has to be one."""
    asked(s, all__rp_filter=2)


@scenario("sources-local")
def local(s):
    """accept_local: the router's own addresses may come in, under rp_filter by the device that has them."""
    asked(s, all__accept_local=1)
    for value, device in ((1, "all"), (2, "all"), (0, "all")):
        s.step(sysctl={OF.format("all", "rp_filter"): value, OF.format("all", "accept_local"): 0, OF.format("inside", "accept_local"): 1})
        for side in ("inside", "outside"):
            for source in (IN_GW, GW, "127.0.0.1"):
                for destination in (GW, IN_GW, "198.51.100.99" if side == "inside" else "192.168.1.77"):
                    s.put(udp(source, 6300 + value, destination, 9), side=side)


@scenario("sources-localnet")
def localnet(s):
    """route_localnet: 127.0.0.0/8 may come in, and be gone to, from a wire."""
    asked(s, all__route_localnet=1)
    s.note("of one device, with accept_local and rp_filter")
    s.step(sysctl={OF.format("all", "route_localnet"): 0, OF.format("inside", "route_localnet"): 1})
    for settings in ({}, {OF.format("all", "accept_local"): 1}, {OF.format("all", "rp_filter"): 1}, {OF.format("all", "rp_filter"): 2},
                     {OF.format("all", "accept_local"): 0}):
        s.step(sysctl=settings)
        for side in ("inside", "outside"):
            for source in ("127.0.0.1", "127.0.0.5", A, IN_GW):
                for destination in ("127.0.0.1", "127.0.0.9", IN_GW, "198.51.100.99"):
                    s.put(udp(source, 6400, destination, 9), side=side)


@scenario("sources-flows")
def flows(s):
    """A flow whose packets change their way in: established or not, what comes by the wrong device is dropped, and tracked before."""
    s.keys["iptables"] = table("filter", "-A FORWARD -m conntrack --ctstate ESTABLISHED", "-A FORWARD")
    s.keys["sysctls"] = {OF.format("inside", "rp_filter"): 1}
    for _ in range(3):
        s.put(udp(A, 5000, SRV, 53), udp(SRV, 53, A, 5000))
    s.put(udp(SRV, 53, A, 5000), side="inside")
    s.put(udp(A, 5000, SRV, 53), side="outside")
    s.step(sysctl={OF.format("all", "rp_filter"): 1})
    s.put(udp(SRV, 53, A, 5000), side="inside")
    s.put(udp(A, 5000, SRV, 53), side="outside")
    s.put(udp(SRV, 53, A, 5000), udp(A, 5000, SRV, 53), udp(SRV, 53, A, 5000), tcp(A, 5000, SRV, 80), tcp(SRV, 80, A, 5000, "SA", 5, 1001))
    s.put(tcp(SRV, 80, A, 5000, "A", 6, 1001), side="inside")
    s.note("no forwarding: the sender is told that before it is asked where he comes from")
    s.step(sysctl={"net.ipv4.ip_forward": 0})
    s.put(udp(A, 5001, "192.168.1.77", 53), side="outside")
    s.put(udp(A, 5002, SRV, 53), udp(SRV, 9, GW, 9), echo(A, IN_GW, 5))
    s.put(E() / IP(src=A, dst=GW, proto=99) / Raw(bytes(4)), side="outside")
