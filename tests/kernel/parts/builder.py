"""What the scenarios are written with: packets, rules and the script that puts them in order.

Packets and flows come from oracle/make_examples.py, so that a `Flow` means the same in both collections; the parts
import all of it from here.
"""
import ipaddress
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "oracle"))

from make_examples import A, B, DEFAULT, E, E6, Flow, GW, SRV, udp  # noqa: E402,F401
from scapy.all import ICMP, IP, IPOption, IPv6, Raw, TCP, UDP  # noqa: E402,F401

IN_GW = "192.168.1.1"
A6, B6, IN6_GW, GW6, S6 = "fd00:1::10", "fd00:1::20", "fd00:1::1", "2001:db8:1::1", "2001:db8:2::7"
CHAINS = {"raw": "PREROUTING OUTPUT", "mangle": "PREROUTING INPUT FORWARD OUTPUT POSTROUTING",
          "nat": "PREROUTING INPUT OUTPUT POSTROUTING", "filter": "INPUT FORWARD OUTPUT", "security": "INPUT FORWARD OUTPUT"}
SCENARIOS = {}


def scenario(name, kmsg=False, shelf="scenarios"):
    """Registers a function that fills a Script under the folder's name; `kmsg` asks for LOG lines too."""
    def enter(function):
        SCENARIOS[name] = (function, kmsg, shelf)
        return function
    return enter


def plugin_scenario(name):
    """The same for one with a helper that the program does not bring along: it is played with its component."""
    return scenario(name, shelf="plugins")


def table(name, *rules, chains=(), **policies):
    """A table in iptables-save text: its own chains (`policies` by chain, else ACCEPT), user chains, rules."""
    text = [f"*{name}"]
    text += [f":{chain} {policies.get(chain, 'ACCEPT')} [0:0]" for chain in CHAINS[name].split()]
    text += [f":{chain} - [0:0]" for chain in chains]
    return text + list(rules) + ["COMMIT"]


def masquerade(*rules):
    """The nat table with rules of one's own before a MASQUERADE of all that leaves by `outside`."""
    return table("nat", *rules, "-A POSTROUTING -o outside -j MASQUERADE")


def icmp(src, dst, kind, code=0, payload=b"", ident=1, ttl=64, **fields):
    """An ICMP message; `payload` may be a packet, for errors about it. Time stamps are the same every time."""
    if kind in (13, 14):
        fields = {"ts_ori": 27593830, "ts_rx": 0, "ts_tx": 0} | fields
    return E() / IP(src=src, dst=dst, id=ident, ttl=ttl) / ICMP(type=kind, code=code, **fields) / Raw(bytes(payload))


def echo(src, dst, number=77, seq=1, reply=False, ident=1, ttl=64, data=b"ping data"):
    """An echo request or reply."""
    return E() / IP(src=src, dst=dst, id=ident, ttl=ttl) / ICMP(type=0 if reply else 8, id=number, seq=seq) / Raw(data)


def tcp(src, sport, dst, dport, flags="S", seq=1000, ack=0, data=b"", window=64240, options=(), ident=1, **ip):
    """One TCP segment that belongs to no Flow."""
    packet = E() / IP(src=src, dst=dst, id=ident, **ip) / \
        TCP(sport=sport, dport=dport, flags=flags, seq=seq, ack=ack, window=window, options=list(options))
    return packet / Raw(data) if data else packet


class Flow6(Flow):
    """A TCP connection over IPv6."""

    def _ip(self, src, dst):
        return E6() / IPv6(src=src, dst=dst)


class Script:
    """A scenario in the making: frames in order, what stands before them, and the gateway they meet."""

    def __init__(self, name, **keys):
        self.packets, self.notes, self.steps, self.answers, self.explicit = [], [], [], {}, {}
        self.keys = {"name": name, "inside": {"addrs": [f"{IN_GW}/24"]}, "outside": {"addrs": [f"{GW}/24"]},
                     "routes": DEFAULT} | keys

    def note(self, text):
        """Says what the next frames are about."""
        self.notes.append(f"{len(self.packets)}: {text}")

    def put(self, *packets, side=None):
        """Adds frames; `side` overrides where their source address puts them."""
        for packet in packets:
            if side:
                self.explicit[len(self.packets)] = side
            self.packets.append(packet)

    def flow(self, *arguments, **keys):
        """A TCP connection whose segments are added to this scenario."""
        return Flow(self.packets, *arguments, **keys)

    def flow6(self, *arguments, **keys):
        """The same over IPv6."""
        return Flow6(self.packets, *arguments, **keys)

    def step(self, **what):
        """Something that happens before the next frame: advance=, sleep=, sysctl=, flush=."""
        self.steps.append({"before": len(self.packets)} | what)

    def answer(self, packet, frame=None, side="outside", index=0):
        """Adds a frame that goes to whatever source an earlier frame (the last one) came out with."""
        of = len(self.packets) - 1 if frame is None else frame
        self.answers[str(len(self.packets))] = {"frame": of, "side": side, "index": index}
        self.packets.append(packet)

    def sides(self):
        """One letter a frame: by its source, unless said otherwise."""
        inside = [ipaddress.ip_interface(a) for a in self.keys["inside"]["addrs"]]
        own = [str(ipaddress.ip_interface(a).ip) for s in ("inside", "outside") for a in self.keys[s]["addrs"]]

        def of(number, packet):
            if number in self.explicit:
                return self.explicit[number][0]
            source = packet[IPv6 if IPv6 in packet else IP].src
            if source in own:
                return "l"
            return "i" if any(ipaddress.ip_address(source) in net.network for net in inside) else "o"
        return "".join(of(n, p) for n, p in enumerate(self.packets))

    def scenario(self):
        """The scenario file's content."""
        made = dict(self.keys, sides=self.sides(), notes=self.notes)
        for key, value in (("steps", self.steps), ("answers", self.answers)):
            if value:
                made[key] = value
        return made
