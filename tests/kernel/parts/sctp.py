"""SCTP: every chunk in every state, verification tags, what cannot be right."""
import itertools
import struct

from parts.builder import A, E, GW, IP, Raw, SRV, masquerade, scenario
from parts.fragments import part
from scapy.layers.sctp import crc32c

DATA, INIT, INIT_ACK, SACK, HEARTBEAT, HEARTBEAT_ACK, ABORT, SHUTDOWN, SHUTDOWN_ACK, ERROR, COOKIE_ECHO, COOKIE_ACK = range(12)
SHUTDOWN_COMPLETE = 14
CHUNKS = (DATA, INIT, INIT_ACK, HEARTBEAT, HEARTBEAT_ACK, ABORT, SHUTDOWN, SHUTDOWN_ACK, ERROR, COOKIE_ECHO, COOKIE_ACK,
          SHUTDOWN_COMPLETE)
# The tags that client and server have chosen: packets to them carry these.
OF_CLIENT, OF_SERVER = 0x11111111, 0x22222222
# How each state is reached: chunks and who sends them.
WAYS = {
    "none": [],
    "closed, after INIT": [("c", INIT)],
    "cookie-wait": [("c", INIT), ("s", INIT_ACK)],
    "cookie-echoed": [("c", INIT), ("s", INIT_ACK), ("c", COOKIE_ECHO)],
    "established": [("c", INIT), ("s", INIT_ACK), ("c", COOKIE_ECHO), ("s", COOKIE_ACK)],
    "shutdown-sent": [("c", INIT), ("s", INIT_ACK), ("c", COOKIE_ECHO), ("s", COOKIE_ACK), ("c", SHUTDOWN)],
    "shutdown-received": [("c", INIT), ("s", INIT_ACK), ("c", COOKIE_ECHO), ("s", COOKIE_ACK), ("s", SHUTDOWN)],
    "shutdown-ack-sent": [("c", INIT), ("s", INIT_ACK), ("c", COOKIE_ECHO), ("s", COOKIE_ACK), ("c", SHUTDOWN),
                          ("s", SHUTDOWN_ACK)],
    "closed": [("c", INIT), ("s", INIT_ACK), ("c", COOKIE_ECHO), ("s", COOKIE_ACK), ("c", ABORT)],
    "heartbeat-sent": [("c", HEARTBEAT)],
}


def chunk(kind, flags=0, body=None, tag=0):
    """One chunk, padded."""
    if body is None:
        body = struct.pack("!IIHHI", tag, 65536, 1, 1, 7) if kind in (INIT, INIT_ACK) else b"12345678"
    raw = struct.pack("!BBH", kind, flags, 4 + len(body)) + body
    return raw + bytes(-len(raw) % 4)


def sctp(src, sport, dst, dport, tag, *chunks, wrong=0):
    """A packet of chunks with the right checksum, or one that is off by `wrong`."""
    head = struct.pack("!HHII", sport, dport, tag, 0)
    crc = crc32c(head + b"".join(chunks)) ^ wrong
    raw = struct.pack("!HHII", sport, dport, tag, crc) + b"".join(chunks)
    return E() / IP(src=src, dst=dst, id=1, proto=132) / Raw(raw)


def said(who, kind, port, tag=None, flags=0, nat=False):
    """What client or server says, with the tag that belongs there."""
    if tag is None:
        tag = 0 if kind == INIT else (OF_SERVER if who == "c" else OF_CLIENT)
    own = OF_CLIENT if who == "c" else OF_SERVER
    if who == "c":
        return sctp(A, port, SRV, 9899, tag, chunk(kind, flags, tag=own))
    return sctp(SRV, 9899, GW if nat else A, port, tag, chunk(kind, flags, tag=own))


def end(s):
    """Forgets all flows: the last ones listed would have grown older in the kernel."""
    s.note("all is forgotten")
    s.step(flush=True)
    s.put(said("c", DATA, 9999))


def states(s, who):
    """Each chunk from one side in each state, a flow for each."""
    port = 10000
    for state, way in WAYS.items():
        s.note(state)
        for kind in CHUNKS:
            port += 1
            for earlier, step in way:
                s.put(said(earlier, step, port))
            s.put(said(who, kind, port))
    end(s)


@scenario("sctp-states-client")
def client_states(s):
    """Each chunk from the client in each state."""
    states(s, "c")


@scenario("sctp-states-server")
def server_states(s):
    """Each chunk from the server in each state."""
    states(s, "s")


@scenario("sctp-flows")
def flows(s):
    """A translated association from INIT to SHUTDOWN COMPLETE; tags, checksums, bundles and lengths that are wrong."""
    s.keys["iptables"] = masquerade()
    s.note("a whole association through MASQUERADE, with data both ways")
    for who, kind in WAYS["established"] + [("c", DATA), ("s", SACK), ("s", DATA), ("c", SHUTDOWN), ("s", SHUTDOWN_ACK),
                                            ("c", SHUTDOWN_COMPLETE), ("c", INIT)]:
        s.put(said(who, kind, 5000, nat=True))
    s.note("wrong tags: data, an INIT with one, ABORT with the T bit and without")
    for who, kind in WAYS["established"]:
        s.put(said(who, kind, 5001, nat=True))
    s.put(said("c", DATA, 5001, tag=5), said("c", INIT, 5001, tag=5), said("c", ABORT, 5001, tag=5))
    s.put(said("c", ABORT, 5001, tag=OF_CLIENT), said("c", ABORT, 5001, tag=OF_CLIENT, flags=1))
    s.note("wrong checksum, cut header, a chunk of no length, no chunk, INIT beside another, COOKIE ECHO behind another")
    s.put(sctp(A, 5002, SRV, 9899, 0, chunk(INIT, tag=OF_CLIENT), wrong=1))
    s.put(E() / IP(src=A, dst=SRV, id=1, proto=132) / Raw(b"\x13\x8a\x26\xab\0\0\0\0\0\0\0"))
    s.put(sctp(A, 5003, SRV, 9899, 0, b"\x01\0\0\0"), sctp(A, 5003, SRV, 9899, 0))
    s.put(sctp(A, 5003, SRV, 9899, 0, chunk(INIT, tag=OF_CLIENT), chunk(DATA)))
    s.put(sctp(A, 5003, SRV, 9899, 0, chunk(DATA), chunk(INIT, tag=OF_CLIENT)))
    for who, kind in WAYS["established"]:
        s.put(said(who, kind, 5004, nat=True))
    s.put(sctp(A, 5004, SRV, 9899, OF_SERVER, chunk(DATA), chunk(COOKIE_ECHO)))
    s.put(sctp(A, 5004, SRV, 9899, OF_SERVER, chunk(COOKIE_ECHO), chunk(DATA)))
    s.put(sctp(A, 5004, SRV, 9899, OF_SERVER, chunk(SACK), chunk(DATA), chunk(SHUTDOWN)))
    s.note("the same INIT again, another one, and an INIT of the other side meanwhile")
    s.put(said("c", INIT, 5005, nat=True), said("c", INIT, 5005, nat=True), said("s", INIT, 5005, nat=True))
    s.put(said("s", INIT_ACK, 5005, nat=True), said("c", INIT_ACK, 5005, nat=True), said("c", COOKIE_ECHO, 5005, nat=True))
    s.put(said("s", COOKIE_ACK, 5005, nat=True))
    s.note("another path: heartbeats, the answer with its tag, then with another one")
    s.put(said("c", HEARTBEAT, 5006, nat=True), said("s", HEARTBEAT_ACK, 5006, nat=True), said("c", DATA, 5006, nat=True))
    s.put(said("c", HEARTBEAT, 5006, tag=77, nat=True), said("s", HEARTBEAT_ACK, 5006, tag=78, nat=True),
          said("s", HEARTBEAT_ACK, 5006, tag=79, nat=True), said("c", HEARTBEAT, 5006, nat=True))
    s.note("ports that clash draw another one; every timeout by its name")
    s.put(sctp("192.168.1.20", 5000, SRV, 9899, 0, chunk(INIT, tag=3)))
    s.step(sysctl={f"net.netfilter.nf_conntrack_sctp_timeout_{name}": 1000 + number for number, name in enumerate(
        ("closed", "cookie_wait", "cookie_echoed", "established", "shutdown_sent", "shutdown_recd", "shutdown_ack_sent",
         "heartbeat_sent"))})
    for who, kind in WAYS["shutdown-ack-sent"] + [("c", SHUTDOWN_COMPLETE)]:
        s.put(said(who, kind, 5007, nat=True))
    s.put(said("c", HEARTBEAT, 5008, nat=True))
    end(s)


@scenario("sctp-first-packets")
def first_packets(s):
    """What comes out of the blue: every chunk without a tag and with one, two of them in a packet, from the router itself."""
    ports = iter(range(20000, 30000))
    for tag in (0, OF_SERVER):
        s.note(f"each chunk with tag {tag:x}, again, and what answers with that tag")
        for kind in CHUNKS:
            port = next(ports)
            s.put(said("c", kind, port, tag=tag), said("c", kind, port, tag=tag))
            s.put(said("s", SHUTDOWN_COMPLETE, port, tag=tag, flags=1), said("s", DATA, port, tag=tag))
        s.note(f"two chunks with tag {tag:x}, and data both ways")
        s.step(flush=True)
        for first, second in itertools.product((INIT_ACK, HEARTBEAT, HEARTBEAT_ACK, SHUTDOWN, SHUTDOWN_ACK, ERROR, COOKIE_ECHO), repeat=2):
            port = next(ports)
            s.put(sctp(A, port, SRV, 9899, tag, chunk(first, tag=OF_CLIENT), chunk(second, tag=OF_CLIENT)))
            s.put(said("c", DATA, port, tag=tag), said("s", DATA, port, tag=tag))
    s.note("of the router itself")
    for tag, kind in itertools.product((0, OF_SERVER), CHUNKS):
        s.put(sctp(GW, next(ports), SRV, 9899, tag, chunk(kind, tag=OF_CLIENT)))
    end(s)


OTHERS = {"c": 0x33333333, "s": 0x44444444}


def ask(s, port, who, kind, asked, known):
    """`asked` is what an INIT or INIT ACK wants to see; `known` what each end has asked for last."""
    tag = 0 if kind == INIT else known.get("s" if who == "c" else "c", 0)
    ends = (A, port, SRV, 9899) if who == "c" else (SRV, 9899, A, port)
    s.put(sctp(*ends, tag, chunk(kind, tag=asked)))
    if kind in (INIT, INIT_ACK):
        known[who] = asked


def two_more(s, beginning):
    """Two INITs or INIT ACKs of either end, with its tag or another one, behind the beginning of an association."""
    said_by = {"c": OF_CLIENT, "s": OF_SERVER}
    messages = [(who, kind, tags[who]) for kind in (INIT, INIT_ACK) for who in "cs" for tags in (said_by, OTHERS)]
    for port, two in enumerate(itertools.product(messages, repeat=2), 30001):
        known = {}
        if two[1] == messages[0]:
            s.step(flush=True)
        for who, kind, asked in [*beginning, *two]:
            ask(s, port, who, kind, asked, known)


@scenario("sctp-collisions")
def collisions(s):
    """INITs of both ends (RFC 9260, section 5.2): again, late, with other tags, and the answers to them in every order."""
    two_more(s, [("c", INIT, OF_CLIENT), ("s", INIT, OF_SERVER)])
    s.note("heartbeats have told the tag that an INIT of the other side asks for: it is the same again, so that an INIT ACK is none to it")
    for port, asked in enumerate((OF_SERVER, OTHERS["s"]), 31001):
        known = {}
        s.put(said("c", SHUTDOWN_ACK, port), said("c", HEARTBEAT, port))
        ask(s, port, "s", INIT, asked, known)
        ask(s, port, "c", INIT_ACK, OF_CLIENT, known)
    end(s)


@scenario("sctp-collisions-open")
def collisions_when_open(s):
    """The same in an association that is open."""
    two_more(s, [("c", INIT, OF_CLIENT), ("s", INIT_ACK, OF_SERVER), ("c", COOKIE_ECHO, 0), ("s", COOKIE_ACK, 0)])
    end(s)


@scenario("sctp-long")
def long(s):
    """Chunks that stand far behind in a long packet, which comes in fragments: all are looked at."""
    def pieces(ident, tag, *chunks):
        packet = bytes(sctp(A, 5000, SRV, 9899, tag, *chunks)[IP].payload)
        ends = [*range(0, len(packet), 1480), len(packet)]
        s.put(*[part(A, SRV, ident, packet, *two, proto=132) for two in itertools.pairwise(ends)])
    for who, kind in WAYS["established"]:
        s.put(said(who, kind, 5000))
    full = chunk(DATA, 3, body=bytes(3000))
    pieces(1, OF_SERVER, full, chunk(SHUTDOWN))
    pieces(2, OF_SERVER, full, full, chunk(COOKIE_ECHO))
    pieces(3, OF_SERVER, full, full, chunk(HEARTBEAT), chunk(ABORT))
    pieces(4, OF_SERVER, full)
    end(s)
