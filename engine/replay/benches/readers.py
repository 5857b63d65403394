#!/usr/bin/env python3
"""The replay's peers: tcpdump, tshark and `towpath replay` read the same captures, in turns.

    python3 readers.py

Four captures: the two that `replay.rs` makes, and two that are recorded here, over HTTP and over HTTPS, which tshark looks into less
closely. 2000 objects whose sizes are spread as those of the web (half of them are below 36 KB, the largest has 8 MB) are fetched twice over,
sixteen connections at a time, none of them faster than 8 MB/s, between two network namespaces on a link that merges nothing: what a
client's link carries, with the options, acknowledgements and contents that programs send. The gateway is that of `replay.rs`: connection tracking, MASQUERADE, 1000
rules. Each program reads from the file cache, and writes nowhere. Medians of five rounds. Needs cargo, `curl`, `dumpcap`, `ethtool`,
`iproute2`, `openssl`, `tcpdump`, `tshark` and `unshare`, no root, and 4 GB in the folder for temporary files.
"""
import contextlib
import http.server
import os
import random
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROUNDS, OBJECTS, FETCHES, AT_ONCE = 5, 2000, 2, 16
SERVER = "198.51.100.7"


def run(command, **more):
    return subprocess.run(command.split(), check=True, **more)


def objects(folder):
    """Files of as many sizes as objects of the web have: logarithms of sizes are distributed normally."""
    chance = random.Random(1)
    os.mkdir(folder)
    for number in range(OBJECTS):
        size = int(min(8e6, max(300, chance.lognormvariate(10.5, 1.8))))
        with open(f"{folder}/{number}", "wb") as file:
            file.write(chance.randbytes(size))


def serve(folder, certificate):
    """Serves a folder over HTTP and HTTPS, until it is stopped."""
    os.chdir(folder)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

    plain = http.server.ThreadingHTTPServer((SERVER, 80), Quiet)
    secure = http.server.ThreadingHTTPServer((SERVER, 443), Quiet)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    print("serving", flush=True)
    secure.serve_forever()


def fetch(scheme, folder, seed):
    """Fetches all objects in an order of its own."""
    order = list(range(OBJECTS))
    random.Random(seed).shuffle(order)
    with open(f"{folder}/wanted", "w") as wanted:
        wanted.writelines(f"url={scheme}://{SERVER}/{number}\noutput=/dev/null\n" for number in order)
    quietly = "--no-progress-meter --insecure --limit-rate 8M"
    run(f"curl {quietly} --parallel --parallel-max {AT_ONCE} --config {folder}/wanted")


def capture(scheme, folder):
    """Captures fetches of all objects in a file that is called after the scheme."""
    file = f"{folder}/{scheme}.pcap"
    recorder = subprocess.Popen(f"dumpcap -i client -f ip -B 256 -P -w {file}".split(), stderr=subprocess.PIPE, text=True)
    if not any("File:" in line for line in recorder.stderr):
        sys.exit("dumpcap does not record")
    for seed in range(FETCHES):
        fetch(scheme, folder, seed)
    recorder.send_signal(signal.SIGINT)
    said = recorder.communicate()[1].splitlines()
    print(f"{scheme}.pcap:", *(line for line in said if "received/dropped" in line))


def record(folder):
    """Records `http.pcap` and `https.pcap`, in a network namespace of its own."""
    run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=server -keyout {folder}/key -out {folder}/cert",
        stderr=subprocess.DEVNULL,
    )
    with open(f"{folder}/both", "w") as both:
        for part in ("key", "cert"):
            with open(f"{folder}/{part}") as file:
                both.write(file.read())
    objects(f"{folder}/objects")
    with contextlib.ExitStack() as stopped:
        between_namespaces(folder, stopped)
        for scheme in ("http", "https"):
            capture(scheme, folder)


def started(stopped, command, **more):
    """Starts what is stopped in the end, whatever happens."""
    process = subprocess.Popen(command, **more)
    stopped.callback(process.kill)
    return process


def between_namespaces(folder, stopped):
    """Joins this namespace to a new one, in which the objects are served."""
    other = started(stopped, ["unshare", "--net", "sleep", "infinity"])
    while os.readlink(f"/proc/{other.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        time.sleep(0.01)
    there = f"nsenter --target {other.pid} --net"
    run(f"ip link add client type veth peer name server netns {other.pid}")
    for inside, device, address in (("", "client", "10.0.0.2/8"), (there, "server", f"{SERVER}/24")):
        run(f"{inside} ip addr add {address} dev {device}")
        run(f"{inside} ip link set {device} up")
        run(f"{inside} ethtool -K {device} tso off gso off gro off tx off rx off", stdout=subprocess.DEVNULL)
    run("ip route add default dev client")
    run(f"{there} ip route add default dev server")
    served = [*there.split(), sys.executable, __file__, "--serve", f"{folder}/objects", f"{folder}/both"]
    if not started(stopped, served, stdout=subprocess.PIPE).stdout.readline():
        sys.exit("nothing is served")


def compare(folder, program, capture):
    """Says how long each program reads a capture, and what the replay says of it."""
    file = f"{folder}/{capture}"
    replay = f"{program} replay {file} -c {folder}/gateway.toml --show counts"
    said = run(replay, stdout=subprocess.PIPE, text=True).stdout
    packets = int(said.split()[0])
    commands = {"towpath": replay, "tcpdump": f"tcpdump -r {file} -w /dev/null", "tshark": f"tshark -n -r {file}"}
    taken = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            start = time.perf_counter()
            run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            taken[name].append(time.perf_counter() - start)
    median = {name: statistics.median(times) for name, times in taken.items()}
    print(f"{capture}: {packets} packets of {(os.path.getsize(file) - 24) / packets - 16:.0f} bytes on average")
    print("  " + said.strip().replace("\n", "\n  "))
    for name, seconds in median.items():
        ratio = "" if name == "towpath" else f", {seconds / median['towpath']:.2f} times as long as the replay"
        print(f"  {name}: {packets / seconds / 1e6:.3f} M packets/s{ratio}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        run("cargo build --release -p towpath", cwd=HERE)
        run("cargo bench -p towpath-replay --bench replay", cwd=HERE, env={**os.environ, "TOWPATH_WRITE": folder})
        said = run("cargo metadata --format-version 1 --no-deps", cwd=HERE, stdout=subprocess.PIPE, text=True).stdout
        program = said.split('"target_directory":"')[1].split('"')[0] + "/release/towpath"
        unshared = ["unshare", "--user", "--map-root-user", "--net", sys.executable, __file__, "--record", folder]
        subprocess.run(unshared, check=True)
        for capture in ("million.pcap", "downloads.pcap", "http.pcap", "https.pcap"):
            compare(folder, program, capture)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--record", folder]:
            record(folder)
        case ["--serve", folder, certificate]:
            serve(folder, certificate)
        case []:
            main()
        case _:
            sys.exit(__doc__)
