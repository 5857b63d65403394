#!/usr/bin/env python3
"""`towpath run` on a wire, and its peers: the kernel as a router, and a program that does nothing but forward.

    python3 wire.py [udp] [tcp] [--program TOWPATH] [--rounds N]

Each router stands between a client and a server of its own, in network namespaces that veth pairs join, all of them inside of a user namespace:
that needs no root, and nothing is left of it. Routers take turns; printed are medians of all rounds, and ratios of those.

`udp`: datagrams of 18 bytes, in frames of 64 with a cable's checksum, of 256 flows and one way, in bursts of 64 of one flow, from
`peers/datagrams.c` on the first processor. A router that is a program has the second one. They are addressed to a station that is not there:
what comes to the server's device is counted, and thrown away at once.
- Packets a second: as many are sent as can be; those count that arrive.
- CPU time: all that the processors were busy in that time, whatever for, less what the generator takes for as many datagrams that the router's
  device throws away; for each one that arrives. So it is what the way from one device to the other costs, whoever goes it, with what it costs to
  lose those that do not arrive.
- The same at a pace of 150 000 a second, at which none is lost, and most of the time processors rest.

`tcp`: one connection of iperf3 through each router, with what devices do for senders (super-packets of 64 KB, checksums that nobody fills in),
and without any of that.

Needs cc, cargo (unless `--program` says what to run), ethtool, iperf3, iproute2, nft, unshare and iptables-legacy: without that, the kernel's rules are
nft's.
"""
import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RULES, FLOWS, PACE, UDP_SECONDS, TCP_SECONDS = 1000, 256, 150_000, 1, 2
CLIENT, SERVER, NOBODY, NOBODY_NEAR = "10.0.0.2", "192.0.2.2", "192.0.2.9", "10.0.0.9"
GATEWAY = {"lan": "10.0.0.1/8", "wan": "192.0.2.1/24"}
MACS = {"client": "02:00:00:00:01:02", "lan": "02:00:00:00:01:01", "wan": "02:00:00:00:02:01", "server": "02:00:00:00:02:02"}
NOBODY_MAC = "02:00:00:00:09:09"
NEIGHBOURS = (("lan", CLIENT, MACS["client"]), ("wan", SERVER, MACS["server"]), ("wan", NOBODY, NOBODY_MAC))
OFFLOADS = ("tso", "gso", "gro", "tx", "rx")
MASQUERADE = "*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n"
CONNTRACK = "*filter\n-A FORWARD -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT\nCOMMIT\n"


def many_rules():
    """Those of `rules.rs`: none but the last one matches."""
    rule = "-A FORWARD -s 192.{}.{}.0/24 -p tcp -m tcp --dport {} -j DROP".format
    rules = [rule(168 + n // 250 % 80, n % 250, 1000 + n) for n in range(RULES - 1)]
    return "\n".join(["*filter", ":FORWARD DROP [0:0]", *rules, "-A FORWARD -j ACCEPT", "COMMIT", ""])


def as_nft(rules):
    """The same for a machine without iptables-legacy, in parts that a socket of nft takes."""
    if rules == MASQUERADE:
        hook, rules = "nat hook postrouting priority 100", ["oifname wan masquerade"]
    elif rules == CONNTRACK:
        hook, rules = "filter hook forward priority 0", ["ct state new,established accept"]
    else:
        hook, drops = "filter hook forward priority 0; policy drop", [line.split() for line in rules.splitlines() if "--dport" in line]
        rules = [*(f"ip saddr {words[3]} tcp dport {words[9]} drop" for words in drops), "accept"]
    yield f"table ip t {{ chain c {{ type {hook}; }}; }}"
    for first in range(0, len(rules), 100):
        yield "".join(f"add rule ip t c {rule}\n" for rule in rules[first : first + 100])


class Network:
    """A client, a router and a server."""

    def __init__(self, stopped, offloads=True):
        self.stopped, self.offloads = stopped, offloads
        self.keepers = {place: keeper(stopped) for place in ("client", "router", "server")}
        for place in self.keepers:
            for scope in ("all", "default"):
                self.set(place, f"net.ipv6.conf.{scope}.disable_ipv6", 1)
        self.join("client", f"{CLIENT}/8", "lan")
        self.join("server", f"{SERVER}/24", "wan")
        self.run("client", f"ip neigh add {NOBODY_NEAR} lladdr {NOBODY_MAC} dev veth0")

    def join(self, station, address, device):
        """Joins a station to the router, which it knows as its gateway."""
        gateway = GATEWAY[device].split("/")[0]
        peer = f"name {device} address {MACS[device]} netns {self.keepers['router'].pid}"
        self.run(station, f"ip link add veth0 up address {MACS[station]} type veth peer {peer}")
        self.run("router", f"ip link set {device} up")
        self.run(station, f"ip addr add {address} dev veth0")
        self.run(station, f"ip neigh add {gateway} lladdr {MACS[device]} dev veth0")
        self.run(station, f"ip route add default via {gateway}")
        for place, device in ((station, "veth0"), ("router", device)):
            if not self.offloads:
                self.switch(place, device, OFFLOADS, "off")

    def switch(self, place, device, features, how):
        words = " ".join(f"{feature} {how}" for feature in features)
        self.run(place, f"ethtool -K {device} {words}", stdout=subprocess.DEVNULL)

    def set(self, place, name, value):
        self.run(place, f"sysctl --quiet --write {name}={value}")

    def at(self, place, command):
        return ["nsenter", "--target", str(self.keepers[place].pid), "--net", *command.split()]

    def run(self, place, command, **more):
        return subprocess.run(self.at(place, command), check=True, text=True, **more)

    def start(self, place, command, processor=None, **more):
        """Starts what ends with the network."""
        process = subprocess.Popen(self.at(place, command), text=True, preexec_fn=lambda: pin(processor), **more)
        self.stopped.callback(stop, process)
        return process

    def route_by_kernel(self, rules=""):
        for device, address in GATEWAY.items():
            self.run("router", f"ip addr add {address} dev {device}")
        for device, address, mac in NEIGHBOURS:
            self.run("router", f"ip neigh add {address} lladdr {mac} dev {device}")
        self.set("router", "net.ipv4.ip_forward", 1)
        if rules and has_legacy():
            self.run("router", "iptables-legacy-restore", input=rules)
        for part in as_nft(rules) if rules and not has_legacy() else ():
            self.run("router", "nft --file -", input=part)

    def route_barely(self, folder, how, server, processor=None):
        command = f"{folder}/bare_forwarder {how} lan {MACS['client']} wan {server}"
        # As a gateway does, it keeps the kernel from looking for a way for each packet in vain.
        chains = (f"chain {device} {{ type filter hook ingress device {device} priority 0; policy drop; }};" for device in GATEWAY)
        self.run("router", "nft --file -", input=f"table netdev t {{ {' '.join(chains)} }}")
        if not self.start("router", command, processor, stdout=subprocess.PIPE).stdout.readline():
            sys.exit("the bare forwarder does not run")

    def route_by_towpath(self, folder, program, processor=None, features=""):
        """Runs a gateway that does all that the kernel's routers do, each for itself."""
        folder = tempfile.mkdtemp(dir=folder)
        with open(f"{folder}/rules.v4", "w") as file:
            file.write(MASQUERADE + many_rules())
        with open(f"{folder}/gateway.toml", "w") as file:
            file.write('[rules]\nv4 = "rules.v4"\n')
            for name, address in GATEWAY.items():
                file.write(f'[[interface]]\nname = "{name}"\ndevice = "{name}"\naddresses = ["{address}"]\n{features}\n')
            for device, address, mac in NEIGHBOURS:
                file.write(f'[[neighbour]]\ninterface = "{device}"\naddress = "{address}"\nmac = "{mac}"\n')
        command = f"{program} run -c {folder}/gateway.toml --withhold --control {folder}/control"
        gateway = self.start("router", command, processor, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        said = gateway.stderr.readline().strip()
        if "running" not in said:
            sys.exit(f"the gateway does not run: {said}")

    def check(self, seen_as):
        """Sees to it that a datagram passes, and whose it seems to be. It has no checksum, which the barest forwarder would not fill in."""
        begin = "import socket as s; u = s.socket(type=s.SOCK_DGRAM); u.settimeout(5); "
        receive = f"u.bind(('{SERVER}', 9)); print(flush=True); print(u.recvfrom(9)[1][0])"
        send = f"u.setsockopt(s.SOL_SOCKET, 11, 1); u.sendto(b'hello', ('{SERVER}', 9))"
        python = [sys.executable, "-c"]
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        with subprocess.Popen([*self.at("server", ""), *python, begin + receive], **more) as receiver:
            receiver.stdout.readline()
            subprocess.run([*self.at("client", ""), *python, begin + send], check=True)
            seen = receiver.stdout.read().strip()
        if seen != seen_as:
            sys.exit(f"a datagram arrives as that of {seen or 'nobody'}, not {seen_as}")

    def arrived(self):
        """Frames that the server has been given so far."""
        with open(f"/proc/{self.keepers['server'].pid}/net/dev") as devices:
            return int(next(line for line in devices if "veth0:" in line).split(":")[1].split()[1])

    def send(self, folder, to, pace):
        """Sends datagrams: how many a second, how many of them arrive, and how many processors were busy with that."""
        before, rested, began = self.arrived(), rest(), time.monotonic()
        command = f"{folder}/datagrams {to} {FLOWS} {pace} {UDP_SECONDS}"
        sent = int(self.start("client", command, 0, stdout=subprocess.PIPE).communicate()[0])
        seconds = time.monotonic() - began
        busy = os.cpu_count() - (rest() - rested) / seconds
        # What waits in rings and queues.
        time.sleep(0.1)
        return sent / seconds, (self.arrived() - before) / seconds, busy

    def stream(self):
        """Gbit/s of a connection."""
        report = self.run("client", f"iperf3 --client {SERVER} --time {TCP_SECONDS} --omit 1 --json", stdout=subprocess.PIPE).stdout
        return json.loads(report)["end"]["sum_received"]["bits_per_second"] / 1e9


def keeper(stopped):
    """A process in a network namespace of its own, which ends with this one."""
    process = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    stopped.callback(stop, process)
    process.stdin.write(b"?")
    process.stdin.flush()
    process.stdout.read(1)
    return process


def stop(process):
    process.kill()
    process.wait()


def pin(processor):
    """Gives this process one processor, if there are several."""
    processors = sorted(os.sched_getaffinity(0))
    if processor is not None and len(processors) > 1:
        os.sched_setaffinity(0, {processors[processor]})


def rest():
    """Seconds that processors had nothing to do, or were somebody else's (proc_stat(5): idle, iowait, steal)."""
    with open("/proc/stat") as file:
        times = [int(word) for word in file.readline().split()[1:]]
    return (times[3] + times[4] + times[7]) / os.sysconf("SC_CLK_TCK")


def has_legacy():
    return shutil.which("iptables-legacy-restore") is not None


def medians(rounds):
    """Of a list of dictionaries of equal keys."""
    return {name: statistics.median(taken[name] for taken in rounds) for name in rounds[0]}


def tell(what, value, target):
    print(f"  {what}: {value:.2f} (target: at least {target}{'' if value >= target else ', short of it'})")


def measure_udp(folder, program, rounds):
    with contextlib.ExitStack() as stopped:
        routers = {"the kernel": Network(stopped)}
        routers["the kernel"].route_by_kernel()
        for name, rules in (("conntrack", CONNTRACK), ("MASQUERADE", MASQUERADE), (f"{RULES} rules", many_rules())):
            routers[f"the kernel, {name}"] = Network(stopped)
            routers[f"the kernel, {name}"].route_by_kernel(rules)
        routers["the bare forwarder"] = Network(stopped)
        routers["the bare forwarder"].route_barely(folder, "ring", NOBODY_MAC, 1)
        routers["towpath"] = Network(stopped)
        routers["towpath"].route_by_towpath(folder, program, 1)
        for name, network in routers.items():
            if "bare" not in name:
                network.check(GATEWAY["wan"].split("/")[0] if "MASQ" in name or name == "towpath" else CLIENT)
            network.switch("client", "veth0", ("tx-udp-segmentation", "tx"), "off")
        taken = [udp_round(folder, routers) for _ in range(rounds)]
    tell_udp(*(medians(each) for each in zip(*taken, strict=True)))


def udp_round(folder, routers):
    """M packets/s of each router, and nanoseconds that a packet takes, at that rate and at the pace."""
    alone = next(iter(routers.values()))
    rates, costs, paced = {}, {}, {}
    sent, _, busy = alone.send(folder, NOBODY_NEAR, 0)
    own = busy / sent
    sent, _, busy = alone.send(folder, NOBODY_NEAR, PACE)
    own_paced = busy / sent
    for name, network in routers.items():
        sent, arrived, busy = network.send(folder, NOBODY, 0)
        rates[name], costs[name] = arrived / 1e6, (busy - sent * own) / arrived * 1e9
        sent, arrived, busy = network.send(folder, NOBODY, PACE)
        paced[name] = (busy / sent - own_paced) * 1e9
    return rates, costs, paced


def tell_udp(rates, costs, paced):
    print("UDP, 64 bytes                    M packets/s   ns of CPU a packet   the same at 150 000 packets/s")
    for name, rate in rates.items():
        print(f"  {name:28}   {rate:11.3f}   {costs[name]:18.0f}   {paced[name]:29.0f}")
    own = costs["towpath"]
    tell("packets/s, towpath ÷ the bare forwarder", rates["towpath"] / rates["the bare forwarder"], 0.9)
    tell("CPU time, the kernel with MASQUERADE ÷ towpath", costs["the kernel, MASQUERADE"] / own, 1.2)
    tell(f"CPU time, the kernel with {RULES} rules ÷ towpath", costs[f"the kernel, {RULES} rules"] / own, 3.5)


def measure_tcp(folder, program, rounds):
    with contextlib.ExitStack() as stopped:
        routers = {}
        for how in ("offloads", "none"):
            for name in ("the kernel", "the kernel, MASQUERADE", "towpath", "towpath, gro", "the bare forwarder"):
                # What devices merge already is there for nobody else to merge.
                if how == "offloads" and name == "towpath, gro":
                    continue
                network = routers[name, how] = Network(stopped, offloads=how == "offloads")
                if name == "the bare forwarder":
                    network.route_barely(folder, "super", MACS["server"])
                elif name.startswith("towpath"):
                    network.route_by_towpath(folder, program, features="features = { gro = true }" if "gro" in name else "")
                else:
                    network.route_by_kernel(MASQUERADE if "MASQ" in name else "")
                network.check(CLIENT if name in ("the kernel", "the bare forwarder") else GATEWAY["wan"].split("/")[0])
                network.start("server", "iperf3 --server", stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        taken = medians([{key: network.stream() for key, network in routers.items()} for _ in range(rounds)])
    print("TCP, Gbit/s                      with offloads   without")
    for name in dict.fromkeys(name for name, _ in taken):
        figures = (f"{taken[name, how]:.1f}" if (name, how) in taken else "" for how in ("offloads", "none"))
        print("  {:28}   {:>13}   {:>7}".format(name, *figures))
    ratio = lambda one, other: taken[one] / taken[other]
    tell("with offloads, towpath ÷ the kernel with MASQUERADE", ratio(("towpath", "offloads"), ("the kernel, MASQUERADE", "offloads")), 0.8)
    tell("without, towpath ÷ the kernel with MASQUERADE", ratio(("towpath", "none"), ("the kernel, MASQUERADE", "none")), 1.2)
    tell("towpath, with ÷ without", ratio(("towpath", "offloads"), ("towpath", "none")), 3)


def missing(program):
    """What keeps this from being measured, in a line; nothing: None."""
    tools = ["cc", "ethtool", "ip", "iperf3", "nft", "nsenter", "sysctl", "unshare"] + ([] if program else ["cargo"])
    lacking = [tool for tool in tools if shutil.which(tool) is None]
    if lacking:
        return f"not found: {', '.join(lacking)}"
    if program and not os.access(program, os.X_OK):
        return f"{program}: no program"
    return None


def way_in():
    """The words by which this gets namespaces of its own; root in a container may be forbidden a user namespace."""
    for way in (["unshare", "--user", "--map-root-user", "--net"], ["unshare", "--net"]):
        probe = [*way, "ip", "link", "add", "type", "veth"]
        if subprocess.run(probe, stderr=subprocess.DEVNULL).returncode == 0:
            return way
    return sys.exit("no permission: run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces)")


def build():
    """The program's path."""
    subprocess.run("cargo build --release -p towpath".split(), check=True, cwd=HERE)
    said = subprocess.run("cargo metadata --format-version 1 --no-deps".split(), check=True, cwd=HERE, stdout=subprocess.PIPE, text=True)
    return json.loads(said.stdout)["target_directory"] + "/release/towpath"


def main():
    parser = argparse.ArgumentParser(description="`towpath run` on a wire, and its peers, in turns.")
    parser.add_argument("what", nargs="*", help="udp, tcp; both if nothing is said")
    parser.add_argument("--program", help="the towpath to run; else it is built")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--inside", metavar="FOLDER", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if set(asked.what) - {"udp", "tcp"}:
        parser.error("what is measured is udp or tcp")
    if asked.inside:
        os.environ["XTABLES_LOCKFILE"] = f"{asked.inside}/lock"
        for what, measure in (("udp", measure_udp), ("tcp", measure_tcp)):
            if what in (asked.what or ("udp", "tcp")):
                measure(asked.inside, asked.program, asked.rounds)
        return 0
    if why := missing(asked.program):
        sys.exit(why)
    way = way_in()
    program = os.path.abspath(asked.program) if asked.program else build()
    if not has_legacy():
        print("iptables-legacy is not there: the kernel's rules are those of nft, which are slower")
    with tempfile.TemporaryDirectory() as folder:
        for peer in ("datagrams", "bare_forwarder"):
            subprocess.run(["cc", "-O2", "-Wall", "-o", f"{folder}/{peer}", f"{HERE}/peers/{peer}.c"], check=True)
        inside = ["--inside", folder, "--program", program, "--rounds", str(asked.rounds)]
        measured = subprocess.Popen([*way, sys.executable, __file__, *asked.what, *inside])
        try:
            return measured.wait()
        finally:
            # An interrupt has reached both; nothing else ends it before its time.
            measured.terminate()
            measured.wait()


if __name__ == "__main__":
    # Whatever was started is stopped by whoever started it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(1)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(error.cmd)}: exit code {error.returncode}")
