#!/usr/bin/env python3
"""Asks the running kernel which frames its GRO merges.

    ./gro_oracle.py [--forward] [--list] [--cases N] [--seed N] --out answers.jsonl

Frames go one after the other into one end of a veth pair; the other end has GRO on and is polled by a kernel thread that
runs only when all of them lie in its ring (the sender has a real-time priority on the same processor), so that one poll
finds them all. A packet socket with a vnet header behind it sees what GRO has made of them. Needs root, `ip`, `ethtool` and a kernel with veth; no Python packages.

With `--forward` the merged packets are forwarded to a second pair, whose near end cuts nothing and sums nothing, so that the
kernel cuts them again; what comes out at its far end is written down. Both ends of both pairs lie in namespaces that end with
this process.

With `--list` the end that merges has `rx-gro-list`: packets of a flow are kept as a list of what has come.

One case a line: `features` that are on beside gro, `frames` that went in, `out` that came out. A frame is its bytes in hex,
`+N` standing for N more zeros at the end. A frame that went in with its checksum left to the device starts with `p`.
What came out has the vnet header's flags, gso type and gso size before it: `1/1/1448 hex`; not so what was forwarded.
"""

import argparse
import ctypes
import json
import os
import random
import socket
import struct
import subprocess
import time

OURS, THEIRS, NEAR = (bytes.fromhex(f"02000000{last}") for last in ["0101", "0002", "0201"])
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
SOL_PACKET, PACKET_VNET_HDR, PACKET_AUXDATA = 263, 15, 8
ETH_P_ALL = 0x0003


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def total(data):
    if len(data) % 2:
        data += b"\0"
    folded = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while folded >> 16:
        folded = (folded & 0xFFFF) + (folded >> 16)
    return folded


class Flow:
    """A sender whose next segment is known."""

    def __init__(self, dice, number):
        self.dice, self.number = dice, number
        self.kind = dice.choice(["tcp4", "tcp4", "tcp4", "tcp6", "tcp6", "udp4", "udp6"])
        self.is_six, self.is_udp = self.kind[3] == "6", self.kind.startswith("udp")
        self.seq, self.ack, self.window = dice.choice([1000, 0xFFFFFF00]), 77, 500
        self.id = dice.choice([0, 5, 0xFFFE])
        self.step = dice.choice([0, 1, 1])
        self.df = dice.choice([True, True, False])
        self.ttl, self.tos, self.label = 64, 0, 0
        self.options = dice.choice([b"", b"\x01\x01\x08\x0a\0\0\0\x07\0\0\0\x08"])
        self.flags = dice.choice([0x10, 0x10, 0x10, 0x50, 0x90])
        self.size = dice.choice([8, 9, 24])
        self.extension = dice.choice([b"", b"", b"", b"\0\0\x01\x04\0\0\0\0"])
        self.ports = (dice.choice([40000, 40000, 40001]), 80)
        self.last = dice.choice([1, 1, 2])

    def frame(self, oddity):
        dice = self.dice
        length = self.size
        flags, window, options = self.flags, self.window, self.options
        seq, ip_id, df, reserved, ttl, tos = self.seq, self.id, self.df, 0, self.ttl, self.tos
        source_mac, padding, sums, ports = THEIRS, b"", 0, self.ports
        v4_options, fragment, extension, label = b"", 0, self.extension, self.label
        urgent, udp_delta, no_sum, partial = 0, 0, False, False
        if oddity == "flag":
            flags ^= dice.choice([0x01, 0x02, 0x04, 0x08, 0x08, 0x20, 0x40, 0x80, 0x10])
        elif oddity == "urgent":
            urgent = 3
        elif oddity == "window":
            window = self.window = self.window + 1
        elif oddity == "ack":
            self.ack += 10
        elif oddity == "options":
            options = dice.choice([b"", b"\x01\x01\x08\x0a\0\0\0\x09\0\0\0\x08", b"\x01\x01\x01\x01"])
        elif oddity == "ttl":
            ttl -= 1
        elif oddity == "tos":
            tos ^= dice.choice([1, 3, 8])
        elif oddity == "id":
            ip_id = (ip_id + dice.choice([1, 2, 0xFFFF])) & 0xFFFF
        elif oddity == "df":
            df = not df
        elif oddity == "reserved":
            reserved = 0x8000
        elif oddity == "gap":
            seq = self.seq = (self.seq + dice.choice([1, self.size, 0xFFFFFFFF])) & 0xFFFFFFFF
        elif oddity == "short":
            length = dice.randrange(1, self.size)
        elif oddity == "long":
            length = self.size + 1
        elif oddity == "empty":
            length = 0
        elif oddity == "sum":
            sums = 1
        elif oddity == "mac":
            source_mac = THEIRS[:5] + b"\x03"
        elif oddity == "padding":
            padding = b"\0" * dice.randrange(1, 5)
        elif oddity == "ports":
            ports = (self.ports[0] ^ 1, self.ports[1])
        elif oddity == "ipoptions":
            v4_options = b"\x01\x01\x01\0"
        elif oddity == "fragment":
            fragment = dice.choice([0x2000, 1])
        elif oddity == "extension":
            extension = dice.choice([b"", b"\0\0\x01\x04\0\0\0\0", b"\0\0\x01\x01\0\x01\x01\0"])
        elif oddity == "label":
            label = 9
        elif oddity == "udplen":
            udp_delta = dice.choice([-1, 1])
        elif oddity == "nosum":
            no_sum = True
        elif oddity == "partial":
            partial = True
        payload = bytes((self.number * 37 + self.seq + at) & 0xFF for at in range(length)) if self.size < 100 else b"\0" * length
        if self.is_udp:
            header = struct.pack("!HHHH", *ports, 8 + length + udp_delta, 0)
        else:
            words = 5 + len(options) // 4
            header = struct.pack("!HHIIBBHHH", *ports, seq, self.ack, words << 4, flags, window, 0, urgent) + options
            self.seq = (self.seq + length) & 0xFFFFFFFF
        protocol = 17 if self.is_udp else 6
        transport = header + payload
        if self.is_six:
            source, to = bytes(15) + bytes([self.last]), bytes(15) + b"\x09"
            source, to = b"\xfd" + source[1:], b"\xfd" + to[1:]
            pseudo = source + to + struct.pack("!II", len(transport), protocol)
        else:
            source, to = bytes([10, 0, 0, self.last]), bytes([10, 0, 0, 9])
            pseudo = source + to + struct.pack("!HH", protocol, len(transport))
        at = 6 if self.is_udp else 16
        check = total(pseudo) if partial else 0xFFFF ^ total(pseudo + transport)
        check = (check or 0xFFFF) ^ sums if not partial else check
        if no_sum and self.is_udp:
            check = 0
        transport = transport[:at] + struct.pack("!H", check) + transport[at + 2 :]
        if self.is_six:
            after = (bytes([protocol]) + extension[1:]) if extension else b""
            first = 0x60000000 | tos << 20 | label
            head = struct.pack("!IHBB", first, len(after + transport), 0 if extension else protocol, ttl) + source + to
            head, kind, start = head + after, 0x86DD, 14 + 40 + len(after)
        else:
            words = 5 + len(v4_options) // 4
            bits = (0x4000 if df else 0) | reserved | fragment
            head = struct.pack(
                "!BBHHHBBH", 0x40 | words, tos, words * 4 + len(transport), ip_id, bits, ttl, protocol, 0
            ) + source + to + v4_options
            head = head[:10] + struct.pack("!H", 0xFFFF ^ total(head)) + head[12:]
            kind, start = 0x0800, 14 + words * 4
        if oddity != "keepid":
            self.id = (self.id + self.step) & 0xFFFF
        return OURS + source_mac + struct.pack("!H", kind) + head + transport + padding, (start, at) if partial else None


ODDITIES = (
    "flag urgent window ack options ttl tos id df reserved gap short long empty sum mac padding ports ipoptions fragment "
    "extension label udplen nosum partial keepid flag flag short"
).split()


def batch(dice, oddities):
    """Frames of a few flows, most of them as their senders' offload would cut them."""
    flows = [Flow(dice, number) for number in range(dice.choice([1, 1, 2, 3]))]
    kind = dice.random()
    if kind < 0.02:
        flows = [Flow(dice, number) for number in range(12)]
        for number, flow in enumerate(flows):
            flow.ports = (40000 + number, 80)
        frames = [flow.frame(None) for flow in flows] + [flow.frame(None) for flow in flows]
        return frames[:60]
    if kind < 0.03:
        flow = flows[0]
        flow.size = 1400
        return [flow.frame(None) for _ in range(60)]
    odd = dice.choice([0.0, 0.15, 0.3, 0.6])
    frames = []
    for _ in range(dice.randrange(2, 13)):
        flow = dice.choice(flows)
        frames.append(flow.frame(dice.choice(oddities) if dice.random() < odd else None))
    return frames


class Kernel:
    """A veth pair whose second end merges."""

    def __init__(self, forwards):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        libc.mount(b"none", b"/", None, 0x44000, None)
        libc.mount(b"sysfs", b"/sys", b"sysfs", 0, None)
        run("ip", "link", "add", "va", "numtxqueues", "1", "numrxqueues", "1", "type", "veth",
            "peer", "name", "vb", "numtxqueues", "1", "numrxqueues", "1")
        for device in ["va", "vb"]:
            run("ip", "link", "set", device, "addrgenmode", "none", "arp", "off")
        run("ip", "link", "set", "vb", "address", OURS.hex(":"))
        # As a sender that cuts by itself: else veth gives frames on without its NAPI.
        run("ethtool", "-K", "va", "tso", "off", "gso", "off")
        run("ethtool", "-K", "vb", "gro", "on")
        for device in ["va", "vb"]:
            run("ip", "link", "set", device, "up")
        with open("/sys/class/net/vb/threaded", "w") as file:
            file.write("1")
        self.pin()
        self.sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sender.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.sender.bind(("va", 0))
        self.receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.receiver.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.receiver.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
        self.receiver.bind(("vb", ETH_P_ALL))
        self.features = []
        if forwards:
            self.forward()

    def forward(self):
        """A second pair, by which packets for the receivers of all flows leave."""
        run("ip", "link", "add", "vc", "numtxqueues", "1", "type", "veth", "peer", "name", "vd")
        for device in ["vc", "vd"]:
            run("ip", "link", "set", device, "addrgenmode", "none", "arp", "off")
        run("ip", "link", "set", "vc", "address", NEAR.hex(":"))
        run("ethtool", "-K", "vc", "tx", "off", "tso", "off", "gso", "off", "tx-udp-segmentation", "off")
        for device in ["vc", "vd"]:
            run("ip", "link", "set", device, "up")
        for name in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"]:
            with open(f"/proc/sys/net/{name}", "w") as file:
                file.write("1")
        for version, to in [("-4", "10.0.0.9"), ("-6", "fd00::9")]:
            run("ip", version, "route", "add", to, "dev", "vc")
            run("ip", version, "neigh", "add", to, "dev", "vc", "lladdr", THEIRS.hex(":"))
        self.receiver.close()
        self.receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.receiver.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.receiver.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
        self.receiver.bind(("vd", ETH_P_ALL))

    def pin(self):
        """Sender and poller share a processor, on which the sender comes first."""
        os.sched_setaffinity(0, {0})
        deadline = time.time() + 5
        while time.time() < deadline:
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    name = open(f"/proc/{pid}/comm").read().strip()
                except OSError:
                    continue
                if name.startswith("napi/vb"):
                    os.sched_setaffinity(int(pid), {0})
                    self.poller = int(pid)
                    return
            time.sleep(0.01)
        raise RuntimeError("veth has no polling thread")

    def switch(self, features):
        for name in {"rx-udp-gro-forwarding", "rx-gro-list"}:
            if (name in features) != (name in self.features):
                run("ethtool", "-K", "vb", name, "on" if name in features else "off")
        self.features = features

    def merge(self, frames):
        packets = []
        for data, partial in frames:
            start, at = partial or (0, 0)
            packets.append(struct.pack("=BBHHHH", 1 if partial else 0, 0, 0, 0, start, at) + data)
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
        for packet in packets:
            self.sender.send(packet)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        out = []
        self.receiver.settimeout(0.05)
        try:
            while True:
                data = self.receiver.recv(70000)
                flags, kind, _, size, _, _ = struct.unpack("=BBHHHH", data[:10])
                out.append((flags, kind, size, data[10:]))
                if sum(len(frame) for *_, frame in out) >= sum(len(frame) for frame, _ in frames):
                    self.receiver.settimeout(0.01)
        except TimeoutError:
            return out


def text(data):
    bare = data.rstrip(b"\0")
    zeros = len(data) - len(bare)
    return data.hex() if zeros < 8 else f"{bare.hex()}+{zeros}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--forward", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    kernel, dice = Kernel(options.forward), random.Random(options.seed)
    # A fragment would wait for others, and find them in another case.
    oddities = [oddity for oddity in ODDITIES if oddity != "fragment" or not options.forward]
    with open(options.out, "w") as file:
        file.write(json.dumps({"schema": "kernel-gro/1", "kernel": os.uname().release.split("-")[0]}) + "\n")
        for _ in range(options.cases):
            features = dice.choice([[], ["rx-udp-gro-forwarding"]]) + (["rx-gro-list"] if options.list else [])
            frames = batch(dice, oddities)
            kernel.switch(features)
            out = kernel.merge(frames)
            # A poll that another process has split would give another answer: ask until two agree.
            while (again := kernel.merge(frames)) != out:
                out = again
            case = {
                "features": features,
                "frames": [("p" if partial else "") + text(data) for data, partial in frames],
                "out": [
                    text(data) if options.forward else f"{flags}/{kind}/{size} {text(data)}"
                    for flags, kind, size, data in out
                ],
            }
            file.write(json.dumps(case) + "\n")


if __name__ == "__main__":
    main()
