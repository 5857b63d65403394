"""Media: a player and a server of our own that speak RTSP."""
from network import HERE, SERVER, Network
from table import File, recording

RTSP = HERE / "rtsp.py"


@recording("`rtsp.py`, a player and a server of our own: two streams of RTP with reports over UDP; recorded at the client",
           File("rtsp.pcap", "RTSP: SETUP names the player's ports, its answer the server's; RTP comes from there, RTCP goes there",
                {"rtsp.method == \"SETUP\"": 2, "rtsp.transport contains \"client_port=4588-4589\"": 2,
                 "udp.srcport == 6256 && udp.dstport == 4588": 5, "udp.srcport == 4589 && udp.dstport == 6257": 1}))
def rtsp(folder):
    with Network() as network:
        network.serve("server", 554, "python3", RTSP, "server", SERVER, 554)
        with network.tcpdump("client", "client", folder / "rtsp.pcap"):
            network.run("client", "python3", RTSP, "player", SERVER, 554)
