#!/usr/bin/env python3
"""The chain of `rules.rs`, in the kernel: the peer of its ratios.

    python3 linux_rules.py

Frames are written to a TAP device in a network namespace of their own, from which the kernel forwards them to another one before the
write returns: a write's time is that of the whole way. What a chain costs is what it adds to that of an empty one. The rules are those of
the benchmark, so is the traffic: none of 256 datagrams matches any rule but the last, which accepts. Rounds of all sizes in turns; medians.
Needs `iptables-legacy-restore`, `iproute2` and `unshare`, no root. Run it in turns with `cargo bench -p towpath-engine --bench rules`:
only ratios of one sitting count.
"""
import fcntl
import os
import statistics
import struct
import subprocess
import sys
import time

COUNTS, ROUNDS, SECONDS = (0, 10, 100, 1000, 10_000), 7, 0.3
DEVICES = {"lan": ("02:00:00:00:00:01", "10.0.0.1/8"), "wan": ("02:00:00:00:00:02", "203.0.113.1/24")}
ROUTER = "203.0.113.254"


def run(command, text=None):
    subprocess.run(command.split(), input=text, text=True, check=True)


def tap(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1002))  # TUNSETIFF: IFF_TAP | IFF_NO_PI
    mac, address = DEVICES[name]
    run(f"ip link set {name} address {mac} arp off up")
    run(f"ip addr add {address} dev {name}")
    run(f"tc qdisc replace dev {name} root noqueue")
    return device


def rules(count):
    lines = ["*filter", ":FORWARD DROP [0:0]"]
    for n in range(count - 1):
        lines.append(f"-A FORWARD -s 192.{168 + n // 250 % 80}.{n % 250}.0/24 -p tcp -m tcp --dport {1000 + n % 60_000} -j DROP")
    return "\n".join([*lines, "-A FORWARD -j ACCEPT", "COMMIT", ""])


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    return ~(total + (total >> 16)) & 0xFFFF


def datagram(n):
    flow = n * 997
    source = bytes([10, *(flow // 16).to_bytes(4, "big")[1:3], max(2, flow // 16 & 0xFF)])
    addresses = source + bytes([198, 51, 100, flow % 250 + 1])
    header = struct.pack("!BBHHHBBH", 0x45, 0, 46, 0, 0, 64, 17, 0)
    header = header[:10] + struct.pack("!H", checksum(header + addresses)) + addresses
    udp = struct.pack("!HHHH", 1024 + flow % 50_000, 53, 26, 0) + bytes(18)
    return bytes.fromhex("020000000001020000000009") + b"\x08\x00" + header + udp


def measure(device, frames):
    """Nanoseconds a frame."""
    write, sent, start = os.write, 0, time.perf_counter_ns()
    while (taken := time.perf_counter_ns() - start) < SECONDS * 1e9:
        for frame in frames:
            write(device, frame)
        sent += len(frames)
    return taken / sent


def forwarded():
    """Packets that were sent, or thrown away since nobody reads them."""
    with open("/proc/self/net/dev") as devices:
        wan = next(line for line in devices if line.strip().startswith("wan:")).split(":")[1].split()
    return int(wan[9]) + int(wan[11])


def main():
    lan, wan = tap("lan"), tap("wan")
    run(f"ip route add default via {ROUTER}")
    run(f"ip neigh add {ROUTER} lladdr 02:00:00:00:00:0a dev wan")
    with open("/proc/sys/net/ipv4/ip_forward", "w") as forward:
        forward.write("1")
    frames = [datagram(n) for n in range(256)]
    measured = {count: [] for count in COUNTS}
    for _ in range(ROUNDS):
        for count in COUNTS:
            run("iptables-legacy-restore", rules(count) if count else "*filter\nCOMMIT\n")
            measured[count].append(measure(lan, frames))
    assert forwarded() > 0, "nothing is forwarded"
    empty = statistics.median(measured[0])
    print(f"an empty chain, with the write: {empty:.0f} ns a packet")
    for count in COUNTS[1:]:
        print(f"{count:6} rules: {statistics.median(measured[count]) - empty:8.0f} ns more")
    os.close(wan)


if __name__ == "__main__":
    if sys.argv[1:] == ["--inside"]:
        main()
    else:
        inside = ["unshare", "--user", "--map-root-user", "--net", sys.executable, __file__, "--inside"]
        sys.exit(subprocess.run(inside).returncode)
