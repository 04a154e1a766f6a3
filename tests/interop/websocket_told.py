"""Talks to websocket_server.py in every form that there is, and prints what it got: the same, whoever stands between.

websocket_told.py ADDRESS
"""
import sys
import zlib

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

base = sys.argv[1]
MIB = 1 << 20


def told(message):
    octets = message.encode() if isinstance(message, str) else message
    print(type(message).__name__, len(octets), zlib.crc32(octets) if len(set(octets)) > 1 else "the same", octets[:40])


def to(path="talk?a=b%20c", **more):
    return connect(f"{base}/{path}", proxy=None, max_size=4 * MIB, **more)


for more in [{}, {"compression": None}, {"subprotocols": ["v0.talk", "v1.talk"]}, {"subprotocols": ["other"]}]:
    with to(**more) as socket:
        print(sorted(more), socket.subprotocol, [extension.name for extension in socket.protocol.extensions])
        told(socket.recv(timeout=20))
        for said in ["a", "größer", b"\x00\xff" * 50, "x" * 70_000, b"\x7f" * MIB, "y" * MIB, "", b""]:
            socket.send(said)
            told(socket.recv(timeout=20))
        for parts in [["one ", "", "message"], [b"\x00", b"\xff" * 70_000, b"\x01"]]:
            socket.send(iter(parts))
            told(socket.recv(timeout=20))
        for word in [b"", b"word", b"w" * 125]:
            assert socket.ping(word).wait(20), word
        for asked in ["large", "fragments", "ping"]:
            socket.send(asked)
            told(socket.recv(timeout=20))
        for n in range(100):
            socket.send(f"{n}")
        print([socket.recv(timeout=20) for n in range(100)] == [f"{n}" for n in range(100)])
    print(socket.close_code)

for code in [1000, 1001, 3001, 4999]:
    # Either side says it first.
    with to() as socket:
        socket.recv(timeout=20)
        socket.close(code, "because")
        print(socket.close_code, socket.close_reason)
    with to() as socket:
        socket.recv(timeout=20)
        socket.send(f"close {code}")
        try:
            socket.recv(timeout=20)
        except ConnectionClosed as closed:
            print(closed.rcvd, closed.rcvd_then_sent)

try:
    to("refused")
except InvalidStatus as refused:
    print(refused.response.status_code, bytes(refused.response.body))

# The last one: the server does not say goodbye.
with to() as socket:
    socket.recv(timeout=20)
    socket.send("die")
    try:
        socket.recv(timeout=20)
    except ConnectionClosed as closed:
        print("ended without a word" if closed.rcvd is None else closed.rcvd)
