"""Things that no ordinary client does on purpose, done with plain sockets.

    client.py abort HOST PORT PATH PATH  HTTP/1.1 on one connection: a whole answer, then RST after 6000 bytes of the next one
    client.py split HOST PORT            FTP: a PORT command in two segments, then RETR
    client.py slow HOST PORT PATH        HTTP with a small receive buffer that is left full for a while
    client.py idle HOST PORT             a connection that is only kept alive
"""
import socket
import struct
import sys
import time

WAIT_SECONDS = 10


def connect(host, port, **options):
    """A connected socket that sends every write as a segment of its own."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(WAIT_SECONDS)
    for name, value in options.items():
        connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    connection.connect((host, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def reset(connection):
    """Closes a connection with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def get(host, path):
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def read_answer(stream):
    """Reads one HTTP answer with a Content-Length."""
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return stream.read(length)


def abort(host, port, first, second):
    connection = connect(host, port)
    stream = connection.makefile("rb", buffering=0)
    connection.sendall(get(host, first))
    if not read_answer(stream):
        sys.exit("abort: no answer")
    connection.sendall(get(host, second))
    taken = 0
    while taken < 6000:
        taken += len(connection.recv(1000))
    stream.close()
    reset(connection)


def split(host, port):
    control = connect(host, port)
    replies = control.makefile("rb")

    def ask(command, code):
        control.sendall(command)
        reply = replies.readline()
        if not reply.startswith(code):
            sys.exit(f"split: {command!r} was answered with {reply!r}")

    replies.readline()
    ask(b"USER anonymous\r\n", b"331")
    ask(b"PASS guest@example\r\n", b"230")
    with socket.socket() as listener:
        own = control.getsockname()[0]
        listener.bind((own, 0))
        listener.listen(1)
        listener.settimeout(WAIT_SECONDS)
        number = listener.getsockname()[1]
        command = f"PORT {own.replace('.', ',')},{number // 256},{number % 256}\r\n".encode()
        control.sendall(command[:12])
        time.sleep(0.1)
        ask(command[12:], b"200")
        ask(b"RETR small.txt\r\n", b"150")
        data, _ = listener.accept()
        while data.recv(65536):
            pass
        data.close()
    if not replies.readline().startswith(b"226"):
        sys.exit("split: the transfer was not confirmed")
    control.sendall(b"QUIT\r\n")
    replies.read()
    control.close()


def slow(host, port, path):
    connection = connect(host, port, SO_RCVBUF=4096)
    connection.sendall(get(host, path).replace(b"1.1", b"1.0"))
    time.sleep(1.0)
    while connection.recv(65536):
        time.sleep(0.02)
    connection.close()


def idle(host, port):
    connection = connect(host, port, SO_KEEPALIVE=1)
    for name, value in (("TCP_KEEPIDLE", 1), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 3)):
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    time.sleep(3.5)
    connection.close()


if __name__ == "__main__":
    {"abort": abort, "split": split, "slow": slow, "idle": idle}[sys.argv[1]](*sys.argv[2:])
