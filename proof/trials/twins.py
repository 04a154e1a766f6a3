"""What looks like an attack and is none: each must be answered, whole and in order.

A server that ends every connection early would pass all attacks. Each client here does what an attacker does, but reads in
the end, or comes in time: within the clocks, though not by much.
"""
import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from .attacks import CLOCKS, clocks, get, posts
from .site import Site

CLIENTS = 10
BURST = 4600
LARGE = 400_000
# Octets a second of a reader who is slow, at a pace that many a line has; and of one that is hardly there.
SLOW, SLOWEST = 20_480, 2_048
MISSED_WITHOUT = []
NUMBER = re.compile(rb"HTTP/1.1 200 OK\r\n(?:[^\r]+\r\n)+\r\n(\d+)")


def run(report, options):
    with Site(options, keys=clocks(options), app="testsite") as site, ThreadPoolExecutor(6 * CLIENTS) as pool:
        kinds = [bursts, pauses, slow_reader, slow_head, slow_body, kept]
        begun = {kind: [pool.submit(tried, kind, site.port) for _ in range(CLIENTS)] for kind in kinds}
        slowest = [pool.submit(tried, slowest_reader, site.port) for _ in range(2)]
        for kind, clients in begun.items():
            found = [client.result() for client in clients]
            report.bound(kind.__doc__, sum(one is True for one in found), CLIENTS, at_least=True)
            if others := sorted({str(one) for one in found if one is not True}):
                report.note(f"instead: {', '.join(others)[:300]}")
        report.note(f"{slowest_reader.__doc__}: {[client.result() for client in slowest]}")


def tried(kind, port):
    """True, or what came instead."""
    try:
        return kind(port)
    except (OSError, EOFError) as error:
        return repr(error)


def opened(port, window=0):
    line = socket.socket()
    # As over a network.
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
    if window:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    line.settimeout(60)
    line.connect(("127.0.0.1", port))
    return line


def answered(line, pace=0):
    """The body of one answer, read so many octets a second if that is said."""
    received, began = b"", time.monotonic()
    while not (head := re.search(rb"(?is)content-length: (\d+)\r\n.*?\r\n\r\n", received)) \
            or len(received) < head.end() + int(head[1]):
        if pace and (wait := began + len(received) / pace - time.monotonic()) > 0:
            time.sleep(wait)
        more = line.recv(min(pace or 65536, 2048 if pace else 65536))
        if not more:
            raise EOFError(f"ended after {len(received)} octets: {received[:40]!r}")
        received += more
    return received[head.end():]


def bursts(port):
    """4 600 requests in one write, read while they are answered, in order"""
    with opened(port) as line:
        request = "".join(get(f"/subtract?minuend={nth}&subtrahend=0") for nth in range(BURST)).encode()
        sending = threading.Thread(target=line.sendall, args=(request,), daemon=True)
        sending.start()
        received = b""
        while received.count(b"HTTP/1.1 ") < BURST or not received.endswith(str(BURST - 1).encode()):
            more = line.recv(65536)
            if not more:
                break
            received += more
        numbers = [int(number) for number in NUMBER.findall(received)]
        return numbers == list(range(BURST)) or f"{len(numbers)} right heads"


def pauses(port):
    """an answer of 40 MB, of which nothing is read for a while, thrice"""
    with opened(port) as line:
        line.sendall(get("/letters?chunks=640").encode())
        octets, rests = 0, 0
        while True:
            if octets >= rests * 10_000_000 + 1 and rests < 3:
                time.sleep(CLOCKS["send_timeout"] * 0.6)
                rests += 1
            piece = line.recv(65536)
            octets += piece.count(b"x")
            if piece.endswith(b"\r\n0\r\n\r\n") or not piece:
                break
        # One in the head: text.
        return octets >= 640 << 16 and bool(piece) or f"{octets} octets"


def slow_reader(port):
    """an answer of 400 kB, read at 20 KiB a second"""
    with opened(port, 4096) as line:
        line.sendall(get(f"/large?bytes={LARGE}").encode())
        return answered(line, SLOW) == b"x" * LARGE


def slowest_reader(port):
    """an answer of 400 kB at 2 KiB a second: read so far without an end within 20 s"""
    with opened(port, 4096) as line:
        line.sendall(get(f"/large?bytes={LARGE}").encode())
        octets, until = 0, time.monotonic() + 20
        while time.monotonic() < until:
            time.sleep(1)
            piece = line.recv(SLOWEST)
            if not piece:
                return f"ended after {octets}"
            octets += len(piece)
        return octets


def slow_head(port):
    """a head that comes in pieces, in time"""
    with opened(port) as line:
        pieces = ["GET /get_da", "ta HTT", "P/1.1\r\nHo", "st: x\r\nX-Slow:", " a\r\n", "\r\n"]
        for piece in pieces:
            time.sleep(CLOCKS["head_timeout"] * 0.6 / len(pieces))
            line.sendall(piece.encode())
        return answered(line) == b'["hello",5]'


def slow_body(port):
    """a body that comes in pieces, in time"""
    with opened(port) as line:
        body = json.dumps({"minuend": 1000, "subtrahend": 1}) + " " * 100_000
        line.sendall(posts(len(body), "/subtract").encode())
        for nth in range(5):
            time.sleep(CLOCKS["body_timeout"] * 0.6 / 5)
            line.sendall(body.encode()[nth * len(body) // 5:(nth + 1) * len(body) // 5])
        return answered(line) == b"999"


def kept(port):
    """a connection that rests between requests, in time, thrice"""
    with opened(port) as line:
        found = []
        for _ in range(3):
            line.sendall(get("/get_data").encode())
            found.append(answered(line))
            time.sleep(CLOCKS["keep_alive"] * 0.6)
        return found == [b'["hello",5]'] * 3
