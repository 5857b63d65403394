"""A cable in user space between two devices, each in a namespace of its own, for links the kernel here may not have.

    relay.py tun  NAMESPACE DEVICE ADDRESS/PREFIX NAMESPACE DEVICE ADDRESS/PREFIX
             two TUN devices, joined: raw IP without a link layer
    relay.py vlan NAMESPACE DEVICE ADDRESS/PREFIX CABLE TAG[,TAG]
             a TAP device whose frames go out of the Ethernet device CABLE with VLAN tags in front (TAG is
             TPID:VID, both as numbers, the outer one first), and back without them
"""
import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys

NEW_NETWORK = 0x40000000
TUNSETIFF = 0x400454CA
TUN, TAP, NO_INFO = 0x0001, 0x0002, 0x1000
ALL_PROTOCOLS = 3
SOL_PACKET, PACKET_AUXDATA = 263, 8
TAG_THERE, TPID_THERE, OUTGOING = 0x10, 0x40, 4
LIBC = ctypes.CDLL(None, use_errno=True)


def enter(namespace):
    """Moves this process into a named network namespace."""
    with open(f"/run/netns/{namespace}") as there:
        if LIBC.setns(there.fileno(), NEW_NETWORK) != 0:
            sys.exit(f"relay: cannot enter namespace {namespace}: {os.strerror(ctypes.get_errno())}")


def device(namespace, name, address, kind):
    """Makes a TUN or TAP device with an address, brings it up and returns its other end.

    A TAP's MAC ends in the last number of the address."""
    enter(namespace)
    end = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), kind | NO_INFO))
    if kind == TAP:
        last = int(address.split("/")[0].rsplit(".", 1)[1])
        subprocess.run(["ip", "link", "set", name, "address", f"02:00:00:00:42:{last:02x}"], check=True)
    for command in (["address", "add", address, "dev", name], ["link", "set", name, "up"]):
        subprocess.run(["ip", *command], check=True)
    return end


def join_tun(arguments):
    """Carries packets between two TUN devices."""
    left = device(*arguments[:3], TUN)
    right = device(*arguments[3:6], TUN)
    print("ready", flush=True)
    while True:
        for end in select.select([left, right], [], [])[0]:
            os.write(right if end == left else left, os.read(end, 65536))


def tags_of(text):
    """The bytes of VLAN tags given as TPID:VID[,TPID:VID]."""
    pairs = (one.split(":") for one in text.split(","))
    return b"".join(struct.pack("!HH", int(tpid, 0), int(vid, 0)) for tpid, vid in pairs)


def whole_frame(cable):
    """A frame from the cable with the tag the kernel took off put back, or None for one that we sent."""
    frame, control, _, address = cable.recvmsg(65536, 64)
    if address[2] == OUTGOING:
        return None
    for level, kind, data in control:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
            if status & TAG_THERE:
                tpid = tpid if status & TPID_THERE else 0x8100
                return frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]
    return frame


def join_vlan(arguments):
    """Carries frames between a TAP device and the tagged side of an Ethernet device."""
    namespace, name, address, under, text = arguments
    tap = device(namespace, name, address, TAP)
    tags = tags_of(text)
    cable = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    cable.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    cable.bind((under, ALL_PROTOCOLS))
    print("ready", flush=True)
    while True:
        for end in select.select([tap, cable], [], [])[0]:
            if end == tap:
                frame = os.read(tap, 65536)
                cable.send(frame[:12] + tags + frame[12:])
                continue
            frame = whole_frame(cable)
            if frame and frame[12:12 + len(tags)] == tags:
                os.write(tap, frame[:12] + frame[12 + len(tags):])


if __name__ == "__main__":
    {"tun": join_tun, "vlan": join_vlan}[sys.argv[1]](sys.argv[2:])
