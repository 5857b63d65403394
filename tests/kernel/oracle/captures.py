"""captures: reads pcap and pcapng, writes pcapng. Standard library only."""
import struct


class OracleError(Exception):
    """What is wrong with the question, in words."""


class Frame:
    __slots__ = ("ts", "data", "link", "iface", "origlen")

    def __init__(self, ts, data, link, iface=0, origlen=None):
        self.ts, self.data, self.link, self.iface = ts, data, link, iface
        self.origlen = len(data) if origlen is None else origlen


def read_capture(path):
    with open(path, "rb") as f:
        b = f.read()
    if len(b) < 24:
        raise OracleError("%s: not a capture" % path)
    magic = b[:4]
    if magic == b"\x0a\x0d\x0d\x0a":
        return _read_pcapng(b)
    kinds = {b"\xd4\xc3\xb2\xa1": ("<", 1e6), b"\xa1\xb2\xc3\xd4": (">", 1e6),
             b"\x4d\x3c\xb2\xa1": ("<", 1e9), b"\xa1\xb2\x3c\x4d": (">", 1e9)}
    if magic not in kinds:
        raise OracleError("%s: unknown capture format" % path)
    en, div = kinds[magic]
    link = struct.unpack_from(en + "I", b, 20)[0] & 0x0FFFFFFF
    pos, out = 24, []
    while pos + 16 <= len(b):
        s, u, incl, orig = struct.unpack_from(en + "IIII", b, pos)
        pos += 16
        if pos + incl > len(b):
            break
        out.append(Frame(s + u / div, b[pos:pos + incl], link, 0, orig))
        pos += incl
    return out


def _read_pcapng(b):
    pos, out, en, ifs = 0, [], "<", []
    while pos + 12 <= len(b):
        if b[pos:pos + 4] == b"\x0a\x0d\x0d\x0a":
            en = "<" if b[pos + 8:pos + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            ifs = []
        btype, blen = struct.unpack_from(en + "II", b, pos)
        if blen < 12 or pos + blen > len(b):
            break
        body = b[pos + 8:pos + blen - 4]
        if btype == 1:
            link = struct.unpack_from(en + "H", body, 0)[0]
            res, o = 1e-6, 8
            while o + 4 <= len(body):
                code, ln = struct.unpack_from(en + "HH", body, o)
                if code == 0:
                    break
                if code == 9 and ln >= 1:
                    v = body[o + 4]
                    res = 2.0 ** -(v & 0x7F) if v & 0x80 else 10.0 ** -v
                o += 4 + ((ln + 3) & ~3)
            ifs.append((link, res))
        elif btype == 6:
            ifid, hi, lo, cap, orig = struct.unpack_from(en + "IIIII", body, 0)
            link, res = ifs[ifid]
            out.append(Frame(((hi << 32) | lo) * res, body[20:20 + cap],
                             link, ifid, orig))
        elif btype == 3 and ifs:
            orig = struct.unpack_from(en + "I", body, 0)[0]
            out.append(Frame(0.0, body[4:4 + orig], ifs[0][0], 0, orig))
        pos += blen
    return out


class PcapngWriter:
    """Ethernet interfaces 0 (inside) and 1 (outside)."""

    def __init__(self, path, names):
        self.f = open(path, "wb")
        self._block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        for n in names:
            nb = n.encode()
            pad = b"\0" * (-len(nb) % 4)
            self._block(1, struct.pack("<HHI", 1, 0, 0) +
                        struct.pack("<HH", 2, len(nb)) + nb + pad +
                        struct.pack("<HH", 0, 0))

    def _block(self, t, body):
        ln = 12 + len(body)
        self.f.write(struct.pack("<II", t, ln) + body + struct.pack("<I", ln))

    def write(self, ifid, ts, data):
        t = int(round(ts * 1e6))
        body = struct.pack("<IIIII", ifid, t >> 32, t & 0xFFFFFFFF,
                           len(data), len(data)) + data + b"\0" * (-len(data) % 4)
        self._block(6, body)

    def close(self):
        self.f.close()
