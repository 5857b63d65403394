"""A media player and a media server that speak RTSP (RFC 2326) as far as two streams take.

    rtsp.py server HOST PORT   serves one player: SETUP of two streams, PLAY, TEARDOWN; media from ports 6256 on
    rtsp.py player HOST PORT   asks for two streams at ports 4588 on, and reports on what it gets
"""
import socket
import struct
import sys

WAIT_SECONDS = 10
CLIENT_PORT, SERVER_PORT = 4588, 6256
STREAMS, PACKETS = 2, 5


def datagrams(host, port):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.settimeout(WAIT_SECONDS)
    one.bind((host, port))
    return one


def rtp(stream, number):
    """A packet of RTP (RFC 3550, section 5.1) with 160 bytes of sound."""
    return struct.pack("!BBHII", 0x80, 0, number, number * 160, stream + 1) + bytes([0xff]) * 160


def report(stream):
    """A receiver report of RTCP without a block (RFC 3550, section 6.4.2)."""
    return struct.pack("!BBHI", 0x80, 201, 1, stream + 100)


def message(lines):
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read(stream):
    """The lines of a message up to the empty one; none at the end."""
    lines = []
    while (line := stream.readline().decode().rstrip("\r\n")):
        lines.append(line)
    return lines


def field(lines, name):
    return next(line.split(":", 1)[1].strip() for line in lines if line.lower().startswith(name.lower() + ":"))


def server(host, port):
    listener = socket.create_server((host, int(port)))
    listener.settimeout(WAIT_SECONDS)
    control, (player, _) = listener.accept()
    stream = control.makefile("rb")
    media, wanted = [], []
    while lines := read(stream):
        method, answer = lines[0].split()[0], ["RTSP/1.0 200 OK", f"CSeq: {field(lines, 'CSeq')}"]
        if method == "SETUP":
            own = SERVER_PORT + 2 * len(wanted)
            transport = field(lines, "Transport")
            wanted.append(int(transport.split("client_port=")[1].split("-")[0]))
            media.append([datagrams(host, own), datagrams(host, own + 1)])
            answer += [f"Transport: {transport};server_port={own}-{own + 1}", "Session: 12345678"]
        control.sendall(message(answer))
        if method == "PLAY":
            for which, first in enumerate(wanted):
                for number in range(PACKETS):
                    media[which][0].sendto(rtp(which, number), (player, first))
                media[which][1].recvfrom(100)
        if method == "TEARDOWN":
            break
    control.close()


def player(host, port):
    control = socket.create_connection((host, int(port)), WAIT_SECONDS)
    control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream, own = control.makefile("rb"), control.getsockname()[0]
    numbers = iter(range(1, 100))

    def ask(method, path, *more):
        lines = [f"{method} rtsp://{host}/{path} RTSP/1.0", f"CSeq: {next(numbers)}", *more]
        control.sendall(message(lines))
        answer = read(stream)
        if not answer or answer[0] != "RTSP/1.0 200 OK":
            sys.exit(f"rtsp: {lines[0]} was answered with {answer[:1]}")
        return answer

    media = []
    ask("OPTIONS", "song")
    for which in range(STREAMS):
        first = CLIENT_PORT + 2 * which
        media.append([datagrams(own, first), datagrams(own, first + 1)])
        answer = ask("SETUP", f"song/{which}", f"Transport: RTP/AVP;unicast;client_port={first}-{first + 1}")
        media[which].append(int(field(answer, "Transport").split("server_port=")[1].split("-")[1]))
    ask("PLAY", "song", "Session: 12345678")
    for which, (sound, reports, to) in enumerate(media):
        if [sound.recv(2000) for _ in range(PACKETS)] != [rtp(which, number) for number in range(PACKETS)]:
            sys.exit("rtsp: the sound is not what was sent")
        reports.sendto(report(which), (host, to))
    ask("TEARDOWN", "song", "Session: 12345678")
    control.close()


if __name__ == "__main__":
    {"server": server, "player": player}[sys.argv[1]](*sys.argv[2:])
