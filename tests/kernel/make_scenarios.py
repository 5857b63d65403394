#!/usr/bin/env python3
"""Makes the scenario folders under scenarios/ and plugins/ (needs scapy; see README.md).

    make_scenarios.py [--run | --check] [NAME...]

Without an option: scenario.json and in.pcap, from the scripts in parts/.
  --run    also has the kernel answer: result.json, account.txt, draws.json (needs root)
  --check  asks the kernel again and compares with the answer that is kept, writes nothing
"""
import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from parts.builder import SCENARIOS, Flow, Script  # noqa: E402
import make_examples  # noqa: E402  (builder put the oracle's folder on the path)
from scapy.all import wrpcap  # noqa: E402

START_SECONDS, STEP_SECONDS = 1700000000, 0.01


def make(folder, function):
    """Writes scenario.json and in.pcap."""
    Flow.ident = 100
    script = Script(folder.name)
    function(script)
    for number, packet in enumerate(script.packets):
        packet.time = START_SECONDS + number * STEP_SECONDS
    folder.mkdir(parents=True, exist_ok=True)
    wrpcap(str(folder / "in.pcap"), script.packets)
    (folder / "scenario.json").write_text(json.dumps(script.scenario(), indent=1) + "\n")
    return len(script.packets)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    for path in sorted((HERE / "parts").glob("*.py")):
        importlib.import_module(f"parts.{path.stem}")
    failed = False
    for name, (function, kmsg, shelf) in sorted(SCENARIOS.items()):
        folder, extra = HERE / shelf / name, ["--kmsg"] if kmsg else []
        if args.names and not any(name.startswith(n) for n in args.names):
            continue
        if args.check:
            bad = make_examples.check(folder, extra)
            print(f"{name:24} {'DIFFERS' if bad else 'same'}")
        else:
            count = make(folder, function)
            bad = args.run and answer(folder, extra)
            print(f"{name:24} {count:3} frames{', answered' if args.run and not bad else ''}")
        failed |= bool(bad)
    sys.exit(failed)


def answer(folder, extra):
    """Has the kernel answer a folder; returns what the oracle ended with."""
    code = make_examples.run(folder, folder / "result.json", folder / "account.txt", extra)
    if code == 0:
        subprocess.run([sys.executable, HERE / "oracle" / "draws.py", folder], check=True)
    return code


if __name__ == "__main__":
    main()
