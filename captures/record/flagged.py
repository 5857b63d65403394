"""Records devices of the current namespace into one pcapng that tells the direction of every frame.

    flagged.py FILE DEVICE...       until SIGTERM or SIGINT

tcpdump and dumpcap do not write the direction; a packet socket knows it.
"""
import select
import signal
import socket
import struct
import sys
import time

import pcapng

ALL_PROTOCOLS = 3
SO_TIMESTAMPNS = 35
OUTGOING = 4


def main():
    path, devices = sys.argv[1], sys.argv[2:]
    writer = pcapng.Writer(path, devices)
    sockets = []
    for device in devices:
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
        packets.bind((device, ALL_PROTOCOLS))
        packets.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sockets.append(packets)
    running = [True]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: running.clear())
    print("listening on " + " ".join(devices), flush=True)
    kept = []
    while running:
        for packets in select.select(sockets, [], [], 0.1)[0]:
            frame, control, _, address = packets.recvmsg(65536, 64)
            stamp = next((struct.unpack("qq", data) for _, kind, data in control if kind == SO_TIMESTAMPNS),
                         divmod(time.time_ns(), 10**9))
            direction = pcapng.OUTBOUND if address[2] == OUTGOING else pcapng.INBOUND
            kept.append((stamp[0] * 10**9 + stamp[1], sockets.index(packets), frame, direction))
    for stamp, interface, frame, direction in sorted(kept, key=lambda record: record[0]):
        writer.write(interface, stamp, frame, direction)


if __name__ == "__main__":
    main()
