"""A scanner that is shared over the network: scanimage asks saned, whose scanner is the backend `test`."""
from pathlib import Path

from network import SERVER, Network
from table import File, recording

SCAN = ("scanimage", "--format=pnm", "--resolution", "20", "-x", "30", "-y", "30", "--mode", "Color", "--test-picture", "Color pattern")
OPENED = "tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.dstport in {10000..10100}"
# A reply to START: good, a port, the order of the image's bytes, no resource.
ANNOUNCED = "tcp.srcport == 6566 && tcp.payload[0:6] == 00:00:00:00:00:00 && tcp.payload[8:] == 00:00:12:34:00:00:00:00"


def configured(name, **files):
    """A command's environment with a configuration of SANE of its own."""
    folder = Path("/run") / name
    folder.mkdir()
    for file, text in files.items():
        (folder / f"{file}.conf").write_text(text)
    return "env", f"SANE_CONFIG_DIR={folder}"


@recording("scanimage to saned, whose scanner is the backend `test`: a picture of 24 by 24 dots; recorded at the client",
           File("sane.pcap", "SANE: START is answered with a port, to which the client opens the image's connection",
                {"tcp.dstport == 6566 && tcp.len == 8 && tcp.payload[0:4] == 00:00:00:07": "1+", ANNOUNCED: 1, OPENED: 1}))
def sane(folder):
    with Network() as network:
        saned = configured("saned", saned="192.168.1.10\ndata_portrange = 10000 - 10100\n", dll="test\n", test="number_of_devices 1\n")
        network.serve("server", 6566, *saned, "saned", "-l", "-e", "-b", SERVER)
        client = configured("scanimage", dll="net\n", net=f"connect_timeout = 10\n{SERVER}\n")
        with network.tcpdump("client", "client", folder / "sane.pcap"):
            network.run("client", *client, *SCAN, "-d", f"net:{SERVER}:test:0")
