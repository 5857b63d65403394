"""The network: client — router — hop — server, each in a namespace.

    client              router                     hop                        server
    192.168.1.10/24 ─── .1 inside  outside 203.0.113.1 ─── .254 west  east 198.51.100.1 ─── 198.51.100.7/24
    fd00:1::10/64   ─── ::1      2001:db8:1::1     ─── ::fe      2001:db8:2::1     ─── 2001:db8:2::7/64

The router routes without rules unless a file of ../rules is named. Nothing is offloaded unless asked
for, so that every frame is as it would be on a cable.
"""
import contextlib
import re
import signal
import time
from pathlib import Path

from pcapng import without_machine
from programs import run, start, stop, until

HERE = Path(__file__).parent
RULES = HERE.parent / "rules"
#        one end                              other end
LINKS = [("client", "client", "192.168.1.10/24", "fd00:1::10/64", "router", "inside", "192.168.1.1/24", "fd00:1::1/64"),
         ("router", "outside", "203.0.113.1/24", "2001:db8:1::1/64", "hop", "west", "203.0.113.254/24", "2001:db8:1::fe/64"),
         ("hop", "east", "198.51.100.1/24", "2001:db8:2::1/64", "server", "server", "198.51.100.7/24", "2001:db8:2::7/64")]
MACS = {"client": "02:00:00:00:01:10", "inside": "02:00:00:00:01:01", "outside": "02:00:00:00:02:01",
        "west": "02:00:00:00:02:fe", "east": "02:00:00:00:03:01", "server": "02:00:00:00:03:07"}
#         namespace, destination, gateway
ROUTES = [("client", "default", "192.168.1.1", "fd00:1::1"), ("server", "default", "198.51.100.1", "2001:db8:2::1"),
          ("router", "default", "203.0.113.254", "2001:db8:1::fe")]
# The hop and the server know the client's network only where nothing is translated: a private address
# that leaves by mistake must not find an answer.
BACK = [("hop", "192.168.1.0/24", "203.0.113.1"), ("hop", "fd00:1::/64", "2001:db8:1::1")]
# Without waiting for a block to fill, tcpdump takes a slot of the largest packet for each: room for 256 of them.
BUFFER_KIB = 65536
# What tcpdump and dumpcap say of it at their end.
DROPPED = re.compile(r"(\d+) packets? dropped by kernel|\d+/(\d+) \(pcap")
CLIENT, GATEWAY, SERVER = "192.168.1.10", "203.0.113.1", "198.51.100.7"


class Network:
    """The four namespaces while a recording is made."""

    def __init__(self, ipv6=False, offloads=False, rules=(), translated=False):
        self.ipv6, self.offloads, self.rules, self.translated = ipv6, offloads, rules, translated
        self.servers = []

    def __enter__(self):
        for name in ("client", "router", "hop", "server"):
            run("ip", "netns", "add", name)
            self.set(name, "net.ipv6.conf.default.disable_ipv6", int(not self.ipv6))
            for knob, value in (("accept_ra", 0), ("autoconf", 0), ("accept_dad", 0), ("router_solicitations", 0)):
                self.set(name, f"net.ipv6.conf.default.{knob}", value)
            self.run(name, "ip", "link", "set", "lo", "up")
        for link in LINKS:
            self._link(*link)
        for name in ("router", "hop"):
            self.set(name, "net.ipv4.ip_forward", 1)
            self.set(name, "net.ipv6.conf.all.forwarding", 1)
            self.set(name, "net.ipv4.icmp_ratelimit", 0)
        self._routes()
        for file in self.rules:
            self.run("router", "iptables-legacy-restore", "--noflush", RULES / file)
        if self.ipv6:
            time.sleep(2.5)          # the reports of multicast membership are over by then
        return self

    def __exit__(self, *_):
        for server in self.servers:
            stop(server)
        for name in ("client", "router", "hop", "server"):
            run("ip", "netns", "delete", name)

    def _link(self, here, device, v4, v6, there, other, other_v4, other_v6):
        run("ip", "link", "add", device, "address", MACS[device], "netns", here,
            "type", "veth", "peer", "name", other, "address", MACS[other], "netns", there)
        for name, dev, address, address6 in ((here, device, v4, v6), (there, other, other_v4, other_v6)):
            if not self.offloads:
                self.run(name, "ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
            self.run(name, "ip", "address", "add", address, "dev", dev)
            if self.ipv6:
                self.run(name, "ip", "address", "add", address6, "dev", dev, "nodad")
            self.run(name, "ip", "link", "set", dev, "up")

    def _routes(self):
        for name, destination, via, via6 in ROUTES:
            self.run(name, "ip", "route", "add", destination, "via", via)
            if self.ipv6:
                self.run(name, "ip", "-6", "route", "add", destination, "via", via6)
        for name, destination, via in [] if self.translated else BACK:
            if ":" not in via or self.ipv6:
                self.run(name, "ip", "route", "add", destination, "via", via)

    def set(self, name, key, value):
        """Sets a sysctl in a namespace."""
        self.run(name, "sh", "-c", f"echo {value} > /proc/sys/{key.replace('.', '/')}")

    def run(self, name, *command, **options):
        """Runs a command in a namespace to its end."""
        return run("ip", "netns", "exec", name, *command, **options)

    def start(self, name, *command):
        """Starts a program in a namespace; it ends when the block does."""
        self.servers.append(start("ip", "netns", "exec", name, *command))
        return self.servers[-1]

    def serve(self, name, port, *command, kind="tcp"):
        """Starts a server and waits until its port is open."""
        server = self.start(name, *command)
        flag = {"tcp": "-t", "udp": "-u"}[kind]
        until(lambda: server.poll() is not None or f":{port} " in self.run(name, "ss", "-Hln", flag),
              f"{command[0]} on port {port}")
        if server.poll() is not None:
            raise SystemExit(f"record: {command[0]} ended at once: {server.stdout.read().strip()}")
        return server

    @contextlib.contextmanager
    def tcpdump(self, name, device, path, *options):
        """Records one device with tcpdump while the block runs."""
        with self._recorder(name, "listening on", "tcpdump", "-i", device, "-w", path, "-Z", "root", "-U",
                            "--immediate-mode", "-B", BUFFER_KIB, *options):
            yield

    @contextlib.contextmanager
    def dumpcap(self, path):
        """Records both sides of the router into one pcapng with the interfaces `inside` and `outside`."""
        unordered = Path("/run/both.pcapng")
        with self._recorder("router", "File:", "dumpcap", "-i", "inside", "-i", "outside", "-w", unordered):
            yield
        ordered = Path("/run/ordered.pcapng")
        run("reordercap", unordered, ordered)
        path.write_bytes(without_machine(ordered.read_bytes()))

    @contextlib.contextmanager
    def flagged(self, path):
        """Records both sides of the router into one pcapng that tells the direction of every frame."""
        with self._recorder("router", "listening on", "python3", HERE / "flagged.py", path, "inside", "outside"):
            yield

    def relay(self, *arguments):
        """Starts relay.py and waits until its devices are there."""
        relay = start("python3", HERE / "relay.py", *arguments)
        self.servers.append(relay)
        first = relay.stdout.readline()
        if first.strip() != "ready":
            raise SystemExit(f"record: relay: {first}{relay.stdout.read()}".strip())

    @contextlib.contextmanager
    def _recorder(self, name, ready, *command):
        recorder = start("ip", "netns", "exec", name, *command)
        seen = ""
        while ready not in seen:
            line = recorder.stdout.readline()
            seen += line
            if not line:
                raise SystemExit(f"record: {command[0]} ended at once: {seen.strip()}")
        time.sleep(0.3)
        yield
        time.sleep(0.5)              # the last frames and their acknowledgements
        stop(recorder, signal.SIGINT)
        account = recorder.stdout.read()
        dropped = [int(tcpdump or dumpcap) for tcpdump, dumpcap in DROPPED.findall(account)]
        if command[0] != "python3" and (not dropped or any(dropped)):
            raise SystemExit(f"record: {command[0]} lost packets: {account.strip()}")

