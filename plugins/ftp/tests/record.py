#!/usr/bin/env python3
"""Asks the running kernel what its FTP helper makes of many payloads, and writes kernel.txt.

    plugins/ftp/tests/record.py          (as root; see tests/kernel/oracle/README.md)

Each payload goes through the router on a connection of its own: client behind MASQUERADE for what clients write, server behind
DNAT for what servers write, IPv4 and IPv6. kernel.txt has one line a payload, columns separated by tabs:

    client4 | server4 | client6 | server6     who writes, on which family
    payload                                    escaped as in Python
    pass | drop | expect                       left as it is; thrown away; understood
    named port, translated port, payload       with expect only; what came out, escaped
"""

import ipaddress
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ORACLE = os.path.join(HERE, "../../../tests/kernel/oracle/kernel_oracle.py")
CLIENT = {4: "10.0.0.5", 6: "2001:db8:1::5"}
SERVER = {4: "10.0.0.21", 6: "2001:db8:1::21"}
ROUTER = {4: "203.0.113.1", 6: "3fff:ff::1"}
MUTANTS = 220  # of each kind

FIXED = {
    "client4": [
        "PORT 10,0,0,5,200,10\r\n", "port 10,0,0,5,200,10\r\n", "PoRt 10,0,0,5,4,1\r\nLIST\r\n", "P", "PO", "PORT", "PORT ",
        "PORT 10,0,0,5,2", "PORT 10,0,0,5,200,10", "PORT 10,0,0,5,200,10\r", "PORT 10,0,0,5,200,10\n",
        "PORT  10,0,0,5,200,10\r\n", "PORT\t10,0,0,5,200,10\r\n", "PORTS 10,0,0,5,200,10\r\n", "PORTS10,0,0,5,200,10\r\n",
        "PORT 10,0,0,6,200,10\r\n", "PORT 010,000,000,005,200,010\r\n", "PORT 10,,,5,200,10\r\n", "PORT ,,,,,\r\n",
        "PORT 10,0,0,5,200,10,\r\n", "PORT 10,0,0,5,200\r\n", "PORT 10.0.0.5.200.10\r\n", "PORT 10,0,0,5,200,10 \r\n",
        "PORT 9,256,0,5,200,10\r\n", "PORT 8,512,0,5,1,1\r\n", "PORT 266,0,0,5,200,10\r\n", "PORT 4294967306,0,0,5,200,10\r\n",
        "PORT 10,0,0,4294967301,0,65535\r\n", "PORT 10,0,0,5,0,1025\r\n", "PORT 10,0,0,5,300,10\r\n", "PORT 10,0,0,5,0,0\r\n",
        "PORT 10,0,0,5,256,0\r\n", "PORT 10,0,0,5,0,65536\r\n", "PORT 10,0,0,5,0,21\r\n", "PORT -10,0,0,5,1,1\r\n",
        "PORT 10,0,0,5,99999999999999999999,10\r\n", "PORT 10,0,0,5,200,10\0\r\n", "PORT\r\n", "PORT\r\nX 10,0,0,5,200,10\r\n",
        "NOOP\r\nPORT 10,0,0,5,200,10\r\n", " PORT 10,0,0,5,200,10\r\n", "XPORT 10,0,0,5,200,10\r\n", "PASV\r\n", "USER",
        "EPRT |1|10.0.0.5|51300|\r\n", "eprt |1|10.0.0.5|51300|\r\n", "E", "EPR", "EPRT", "EPRT ", "EPRT |", "EPRT |1|",
        "EPRT |1|10.0.0.5|51300", "EPRT |1|10.0.0.5|51300|", "EPRT |1|10.0.0.5|51300|\n", "EPRT |1|10.0.0.5|51300|xyz",
        "EPRT !1!10.0.0.5!51300!\r\n", "EPRT ~1~10.0.0.5~51300~\r\n", "EPRT a1a10.0.0.5a51300a\r\n", "EPRT .1.10.0.0.5.51300.\r\n",
        "EPRT ,1,10.0.0.5,51300,\r\n", "EPRT 11110.0.0.5151300\r\n", "EPRT  1 10.0.0.5 51300 \r\n", "EPRT |2|::1|51300|\r\n",
        "EPRT |3|10.0.0.5|51300|\r\n", "EPRT |1|10.0.0.6|51300|\r\n", "EPRT |1|10.0.0.5|0|\r\n", "EPRT |1|10.0.0.5||\r\n",
        "EPRT |1|10.0.0.5|65536|\r\n", "EPRT |1|10.0.0.5|65537|\r\n", "EPRT |1|10.0.0.5|051300|\r\n", "EPRT |1|10.0.0.5|51x|\r\n",
        "EPRT |1|9.256.0.5|51300|\r\n", "EPRT |1|10..0.5|51300|\r\n", "EPRT |1|10...5|51300|\r\n", "EPRT |1|10.0.0.5.|51300|\r\n",
        "EPRT |1|10.0.0|51300|\r\n", "EPRT |1!10.0.0.5|51300|\r\n", "EPRT |1|10.0.0.5!51300|\r\n", "EPSV\r\n",
        "227 Entering (10,0,0,5,200,10)\r\n", "EPRT\r\n|1|10.0.0.5|51300| \r\n", "\xff", "2",
    ],
    "server4": [
        "227 Entering Passive Mode (10,0,0,21,195,80)\r\n", "227 10,0,0,21,195,80\r\n", "227 10,0,0,21,195,80", "227 =10,0,0,21,195,80 ",
        "227 Entering Passive Mode (10,0,0,21,195,80", "227 Entering Passive Mode 10,0,0,21,195,80.\r\n", "2", "22", "227", "227 ",
        "227-Entering (10,0,0,21,195,80)\r\n", "227\r\n", "227 \r\n", "227 no address\r\n", "227 no address", "227 1st (10,0,0,21,195,80)\r\n",
        "227 Entering Passive Mode (198,51,100,1,195,80)\r\n", "227 Entering (10,0,0,21,0,0)\r\n", "227 Entering (10,0,0,21,195)\r\n",
        "227 Entering (10,0,0,21,195,80,1)\r\n", "227 Entering\r\n(10,0,0,21,195,80)\r\n", "227 Entering (10,0,0,21,0,50000)\r\n",
        "227 ,10,0,0,21,195,80)\r\n", "227 (10,0,0,21,195,80\0", "227  10,0,0,21,195,80,", "228 x (10,0,0,21,195,80)\r\n",
        "229 Entering Extended Passive Mode (|||50001|)\r\n", "229 (|||50002|)\r\n", "229 (|||50003|", "229 (|||50003", "229 (", "229 ", "229",
        "229 |||50004|\r\n", "229 x(!!!50005!)\r\n", "229 x(|||50006!)\r\n", "229 x(||50007|)\r\n", "229 x(||||50007|)\r\n", "229 x(|||0|)\r\n",
        "229 x(||||)\r\n", "229 x(|||65537|)\r\n", "229 x(|||50 08|)\r\n", "229 ((|||50009|)\r\n", "229 ()(|||50009|)\r\n", "229 (777500107)\r\n",
        "229 x\r\n(|||50010|)", "229-x(|||50011|)\r\n", "229 (   50012 )\r\n", "229 (   )", "229 (aaa50013a)\r\n", "220 ready\r\n",
        "PORT 10,0,0,21,200,10\r\n", "230-PORT\r\n227 (10,0,0,21,195,80)\r\n",
    ],
    "client6": [
        "EPRT |2|2001:db8:1::5|51300|\r\n", "EPRT |2|2001:DB8:1::5|51300|\r\n", "EPRT |2|2001:db8:1:0:0:0:0:5|51300|\r\n",
        "EPRT |2|2001:0db8:0001:0000:0000:0000:0000:0005|51300|\r\n", "EPRT |2|02001:db8:1::0000005|51300|\r\n",
        "EPRT |2|2001:db8:1::6|51300|\r\n", "EPRT |1|10.0.0.5|51300|\r\n", "EPRT |2|2001:db8:1::0.0.0.5|51300|\r\n",
        "EPRT |2|2001:db8:1::000.00.0.05|51300|\r\n", "EPRT |2|2001:db8:1::0.0.0.5:51300|\r\n", "EPRT |2|2001:db8:1::5:51300|\r\n",
        "EPRT |2|2001:db8:1::5\x0051300|\r\n", "EPRT |2|2001:db8:1::5", "EPRT |2|2001:db8:1::5|", "EPRT |2|2001:db8:1::5|51300",
        "EPRT |2|2001:db8:1:::5|51300|\r\n", "EPRT |2|2001:db8:1|51300|\r\n", "EPRT |2|2001::db8:1::5|51300|\r\n", "EPRT |2||51300|\r\n",
        "EPRT |2|2001:db8:1:0:0:0:0.0.0.5|51300|\r\n", "EPRT |2|2001:db8:1:0:0:0:0:0.0.0.5|51300|\r\n", "EPRT |2|2001:db8:1::0.0.0.256|51300|\r\n",
        "EPRT |2|2001:db8:1:0:0:0:0::5|51300|\r\n", "EPRT |2|2001:db8:1:0:0:0::5|51300|\r\n", "EPRT |2|2001:db8:1::5%1|51300|\r\n",
        "EPRT :2:2001:db8:1::5:51300:\r\n", "EPRT .2.2001:db8:1::5.51300.\r\n", "EPRT b2b2001:db8:1::5b51300b\r\n",
        "EPRT b2b2001:dB8:1::5b51300b\r\n", "EPRT B2B2001:db8:1::5B51300B\r\n", "EPRT |2|::|51300|\r\n", "EPRT |2|1::|51300|\r\n",
        "PORT 32,1,13,184,200,10\r\n", "PORT 32,1,13,184,200,10\r\nNOOP\r\n", "PORT 10,0,0,5,200,10\r\n", "PORT 32,1,13,185,200,10\r\n",
        "PORT 32,1,13,184,1,2,200,10\r\n", "PORT 0,131072,0,536874424,200,10\r\n",
    ],
    "server6": [
        "229 Entering Extended Passive Mode (|||50001|)\r\n", "229 x(|||50006!)\r\n", "227 Entering Passive Mode (32,1,13,184,195,80)\r\n",
        "227 Entering Passive Mode (10,0,0,21,195,80)\r\n", "227 Entering", "229 Entering", "227 Entering\r\n", "229 Entering\r\n",
    ],
}
ALPHABET = {"client": " ,.|!:0159\r\nPORTEpt\0", "server": " ,.|!()0159\r\n279x\0"}


def mutant(rng, seeds, alphabet):
    """A fixed payload with one to three bytes changed, added, doubled or taken away, or cut off."""
    text = rng.choice(seeds)
    for _ in range(rng.randint(1, 3)):
        first = 4 if len(text) > 4 and rng.random() < 0.8 else 0  # most mutants keep their first word
        at = rng.randint(first, len(text))
        what = rng.randrange(5)
        if what == 0:
            text = text[:at] + rng.choice(alphabet) + text[at:]
        elif what == 1:
            text = text[:at] + rng.choice(alphabet) + text[at + 1:]
        elif what == 2:
            text = text[:at] + text[at + 1:]
        elif what == 3:
            text = text[:at] + text[max(0, at - 3):at] + text[at:]
        elif rng.random() < 0.3:
            text = text[:at]
    return text[:1200]


def cases():
    rng = random.Random(1)
    for kind, fixed in FIXED.items():
        # The odd client and server seeds on IPv6 are those of IPv4, but for EPRT.
        seeds = fixed + [text for text in FIXED[kind[:-1] + "4"] if kind.endswith("6") and not text.startswith("EPRT")]
        alphabet = ALPHABET[kind[:-1]] + ("abd:::" if kind == "client6" else "")
        seen = dict.fromkeys(fixed)
        while len(seen) < len(fixed) + MUTANTS:
            text = mutant(rng, seeds, alphabet)
            if text:
                seen[text] = None
        for text in seen:
            yield kind, text.encode("latin-1")


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def frame(src, sport, dst, dport, flags, seq, ack, payload=b""):
    src, dst = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    tcp = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 64240, 0, 0) + payload
    pseudo = src.packed + dst.packed + struct.pack("!II", len(tcp), 6)
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    if src.version == 4:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, src.packed, dst.packed)
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    else:
        head = struct.pack("!IHBB16s16s", 6 << 28, len(tcp), 6, 64, src.packed, dst.packed)
    return b"\x02\0\0\0\0\1\x02\0\0\0\0\2" + (b"\x08\0" if src.version == 4 else b"\x86\xdd") + head + tcp


def flow(kind, index, payload):
    """The frames of one case and their sides: handshake, a line, the payload."""
    family = int(kind[-1])
    far = "198.18.%d.%d" % divmod(index, 256) if family == 4 else "2001:db8:2::%x" % (index + 1)
    if kind.startswith("client"):
        client, server, c_side, s_side, writer = (CLIENT[family], 40000), (far, 21), "i", "o", 0
        seen_client, seen_server = (ROUTER[family], 40000), server
    else:
        client, server, c_side, s_side, writer = (far, 40000), (SERVER[family], 21), "o", "i", 1
        seen_client, seen_server = client, (ROUTER[family], 21)
    c2s = lambda flags, seq, ack, data=b"": frame(*client, *seen_server, flags, seq, ack, data)
    s2c = lambda flags, seq, ack, data=b"": frame(*server, *seen_client, flags, seq, ack, data)
    frames = [(c2s(2, 1000, 0), c_side), (s2c(18, 9000, 1001), s_side), (c2s(16, 1001, 9001), c_side)]
    send, side, seq, ack = (c2s, c_side, 1001, 9001) if writer == 0 else (s2c, s_side, 9001, 1001)
    frames.append((send(24, seq, ack, b"x\r\n"), side))
    frames.append((send(24, seq + 3, ack, payload), side))
    return frames


def rules(family):
    target = "10.0.0.21" if family == 4 else "2001:db8:1::21"
    return ["*raw", "-A PREROUTING -p tcp --dport 21 -j CT --helper ftp", "COMMIT", "*nat",
            "-A PREROUTING -i outside -p tcp --dport 21 -j DNAT --to-destination " + target,
            "-A POSTROUTING -o outside -j MASQUERADE", "COMMIT"]


def scenario(sides):
    return {
        "name": "FTP helper, odd payloads", "sides": sides, "iptables": rules(4), "ip6tables": rules(6),
        "inside": {"addrs": ["10.0.0.1/24", "2001:db8:1::1/64"]},
        "outside": {"addrs": ["203.0.113.1/24", "3fff:ff::1/64"]},
        "routes": [{"dst": "default", "via": "203.0.113.254", "dev": "outside"},
                   {"dst": "2001:db8:2::/48", "via": "3fff:ff::fe", "dev": "outside"}],
    }


def tcp_payload(hexed):
    data = bytes.fromhex(hexed)[14:]
    data = data[20:] if data[0] >> 4 == 4 else data[40:]
    return data[(data[12] >> 4) * 4:]


def escaped(data):
    return data.decode("latin-1").encode("unicode_escape").decode("ascii")


def answer(record, payload):
    expected = [event for event in record["events"] if event["event"] == "EXP_NEW"]
    if not record["out"]:
        # Port 0: the expectation is made, then given up for want of a port.
        return ["expect", "0", "0", ""] if expected else ["drop"]
    out = tcp_payload(record["out"][0]["hex"])
    if not expected:
        assert out == payload, (payload, out)
        return ["pass"]
    named, translated = expected[0]["nat"]["tuple"]["sport"], expected[0]["tuple"]["dport"]
    return ["expect", str(named), str(translated), escaped(out)]


def main():
    wanted = list(cases())
    frames = [entry for index, (kind, payload) in enumerate(wanted) for entry in flow(kind, index, payload)]
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.join(folder, name) for name in ("scenario.json", "in.pcap", "result.json")]
        with open(names[0], "w") as file:
            json.dump(scenario("".join(side for _, side in frames)), file)
        with open(names[1], "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
            for index, (data, _) in enumerate(frames):
                file.write(struct.pack("<IIII", index // 1000, index % 1000 * 1000, len(data), len(data)) + data)
        subprocess.run([sys.executable, ORACLE, "--scenario", names[0], "--in", names[1], "--json", names[2]], check=True)
        with open(names[2]) as file:
            result = json.load(file)
    lines = ["# Linux %s, recorded by record.py, which says what the columns are." % result["kernel"].split("-")[0]]
    for index, (kind, payload) in enumerate(wanted):
        record = result["frames"][index * 5 + 4]
        assert result["frames"][index * 5 + 3]["verdict"] == "FORWARDED", record
        lines.append("\t".join([kind, escaped(payload)] + answer(record, payload)))
    with open(os.path.join(HERE, "kernel.txt"), "w") as file:
        file.write("\n".join(lines) + "\n")
    print("%d payloads" % len(wanted))


main()
