"""The little of pcapng (draft-ietf-opsawg-pcapng) that the recordings need: write one, tidy one up."""
import struct

SECTION, INTERFACE, ENHANCED = 0x0A0D0D0A, 1, 6
ETHERNET = 1
IF_NAME, IF_TSRESOL, EPB_FLAGS = 2, 9, 2
INBOUND, OUTBOUND = 1, 2
# Options that tell of the recording machine: hardware and system of the section, system of an interface.
OF_THE_MACHINE = {SECTION: (2, 3), INTERFACE: (12,)}
FIXED_BYTES = {SECTION: 16, INTERFACE: 8}


def block(kind, body):
    length = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + length + body + length


def option(code, value):
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


class Writer:
    """A pcapng of Ethernet interfaces with nanoseconds and the direction of every frame."""

    def __init__(self, path, names):
        self.file = open(path, "wb")
        self.file.write(block(SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        for name in names:
            options = option(IF_NAME, name.encode()) + option(IF_TSRESOL, b"\x09") + option(0, b"")
            self.file.write(block(INTERFACE, struct.pack("<HHI", ETHERNET, 0, 0) + options))

    def write(self, interface, nanoseconds, frame, direction):
        """Adds a frame that came in (INBOUND) or went out (OUTBOUND)."""
        head = struct.pack("<IIIII", interface, nanoseconds >> 32, nanoseconds & 0xFFFFFFFF, len(frame), len(frame))
        flags = option(EPB_FLAGS, struct.pack("<I", direction)) + option(0, b"")
        self.file.write(block(ENHANCED, head + frame + bytes(-len(frame) % 4) + flags))
        self.file.flush()


def without_machine(capture):
    """A little-endian pcapng without the options that tell of the machine it was recorded on."""
    kept, at = b"", 0
    while at < len(capture):
        kind, length = struct.unpack_from("<II", capture, at)
        body = capture[at + 8:at + length - 4]
        if kind in OF_THE_MACHINE:
            fixed = FIXED_BYTES[kind]
            body = body[:fixed] + _options_but(body[fixed:], OF_THE_MACHINE[kind])
        kept += block(kind, body)
        at += length
    return kept


def _options_but(options, unwanted):
    kept, at = b"", 0
    while at + 4 <= len(options):
        code, length = struct.unpack_from("<HH", options, at)
        if code not in unwanted:
            kept += option(code, options[at + 4:at + 4 + length])
        at += 4 + length + -length % 4
    return kept
