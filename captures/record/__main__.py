"""Records the captures of this folder from real programs in network namespaces.

    python3 captures/record [--check] [--readme] [NAME...]

Without a name all recordings are made; a name is the beginning of a recording's or a file's name.
Each file is checked with tshark right after it is made: it must show what its row in README.md says.
  --check    checks the files that are there, records nothing
  --readme   writes README.md from the table of recordings, records nothing

Recording needs root. Everything it starts lives in namespaces of its own and ends with it. Addresses
and payloads are the same every time; sequence numbers, IP ids, ports that programs choose and times are not.
"""
import argparse
import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))

import programs
import readme
import verify
from table import RECORDINGS, load_sessions

INSIDE = "TOWPATH_RECORDING"
HERE = Path(__file__).resolve().parent.parent


def enter_namespaces():
    """Starts this script again in namespaces of its own, which end with it."""
    if os.geteuid() != 0:
        sys.exit("record: needs root, for network namespaces, tcpdump and TUN devices")
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.environ[INSIDE] = "1"
    os.execvp("unshare", command + [sys.executable, *sys.argv])


def wanted(names):
    """The recordings to make: all, or those whose name or files begin with one of the names."""
    def named(recording):
        own = [recording.name] + [file.name for file in recording.files]
        return any(one.startswith(name) for one in own for name in names)
    chosen = [r for r in RECORDINGS if not names or named(r)]
    if not chosen:
        sys.exit(f"record: no recording is named {' or '.join(names)}; there are: "
                 + " ".join(r.name for r in RECORDINGS))
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--readme", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    load_sessions()
    chosen = wanted(args.names)
    if args.readme:
        programs.require(["tshark"])
        readme.write(HERE, lambda path: verify.count(path, "frame"))
        return
    programs.require(["tshark"] if args.check else None)
    if args.check:
        wrong = [line for r in chosen for file in r.files for line in verify.faults(HERE, file)]
        for line in wrong:
            print(line)
        sys.exit(bool(wrong))
    if INSIDE not in os.environ:
        enter_namespaces()
    programs.private_run()
    for recording in chosen:
        print(f"{recording.name}: ", end="", flush=True)
        recording.make(HERE)
        wrong = [line for file in recording.files for line in verify.faults(HERE, file)]
        print("wrong" if wrong else " ".join(f"{f.name} ({(HERE / f.name).stat().st_size})" for f in recording.files))
        if wrong:
            sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
