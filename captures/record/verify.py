"""Checks that a capture shows what its row says, with tshark's dissectors."""
import subprocess

# Checksums are looked at wherever they are filled in; sequence analysis stays on.
OPTIONS = ["-n", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
           "-o", "tcp.desegment_tcp_streams:FALSE"]
LARGEST_BYTES = 64 * 1024


def count(path, display_filter):
    """How many packets of a capture match a display filter."""
    done = subprocess.run(["tshark", "-r", str(path), *OPTIONS, "-Y", display_filter, "-T", "fields", "-e", "frame.number"],
                          capture_output=True, text=True)
    if done.returncode not in (0, 2) or "isn't a valid" in done.stderr or "not a valid" in done.stderr:
        raise SystemExit(f"record: tshark on {path.name} with {display_filter!r}: {done.stderr.strip()}")
    return len(done.stdout.split("\n")) - 1


def faults(folder, file):
    """One line for everything that a file should show and does not."""
    path = folder / file.name
    if not path.exists():
        return [f"{file.name}: is not there"]
    found = []
    if path.stat().st_size > LARGEST_BYTES:
        found.append(f"{file.name}: {path.stat().st_size} bytes, at most {LARGEST_BYTES}")
    for display_filter, wanted in file.counts.items():
        have = count(path, display_filter)
        least = str(wanted).endswith("+")
        number = int(str(wanted).rstrip("+"))
        if have < number or (have > number and not least):
            found.append(f"{file.name}: {have} packets match `{display_filter}`, should be {wanted}")
    return found
