"""Writes README.md of the captures from the table of recordings."""
from table import RECORDINGS

HEAD = """# Captures

Recorded from real programs in network namespaces by `record/`, small, and each checked with tshark to show what
its row says. They are ours: licence MIT OR Apache-2.0 as the rest of the project, payloads included.

    python3 captures/record               records all of them again (two and a half minutes; root; Debian packages)
    python3 captures/record ftp vlan      only those whose names begin so
    python3 captures/record --check       checks the files that are there against their rows
    python3 captures/record --readme      writes this file from the table in record/sessions

A second recording has the same programs, addresses and payloads; sequence numbers, IP ids, the ports that
programs choose and times differ. Snapshots of replays therefore belong to the files as they are kept here.

The network is `client` — `router` — `hop` — `server`, drawn in `record/network.py`: 192.168.1.0/24 behind the router's device
`inside`, 203.0.113.0/24 at its device `outside`, the server 198.51.100.7 one hop further. Where a row speaks of MASQUERADE or
DNAT the router was Linux 6.18 with `rules/masquerade.v4` or `rules/dnat-ftp.v4`; else it routes without rules. Files named `…-inside`
hold what the client's network sees of the session whose both sides are in `…-nat`. Two-sided files are pcapng with the interfaces
`inside` and `outside`. Nothing was offloaded but in the files named so, and on `lo`.

`lab/` has no recordings but scenarios of `towpath lab`, which makes its own packets: hosts, links, connections and loads as text. Each one's
`title` says what it shows, and `tests/scenarios` that it does. `rules/` has rules and configurations for the recordings,
`attacks/` what harms conntrack helpers.

| file | packets | bytes | how recorded | what it shows | licence |
| --- | ---: | ---: | --- | --- | --- |
"""


def write(folder, packets):
    """Writes the table; `packets(path)` counts a capture's packets."""
    rows = []
    for recording in RECORDINGS:
        for file in recording.files:
            path = folder / file.name
            if path.exists():
                rows.append(f"| `{file.name}` | {packets(path)} | {path.stat().st_size} | {recording.how} | {file.shows} | ours |\n")
    (folder / "README.md").write_text(HEAD + "".join(rows))
