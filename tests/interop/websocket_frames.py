"""Talks to the demo's WebSocket in every form a message may have; prints how each connection ended."""
import sys

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

port = sys.argv[1]
MIB = 1 << 20


def echo():
    return connect(f"ws://127.0.0.1:{port}/websocket/echo", proxy=None, compression=None, max_size=4 * MIB)


with echo() as socket:
    # In fragments, the middle ones of which are cut within a letter.
    for said in [["a"], ["gr", "öß", "er"], ["x" * 40_000] * 3, ["", "", "end"]]:
        socket.send(said)
        assert socket.recv(timeout=20) == "".join(said), said
    for said in [[b"\x00", b"\xff" * 70_000, b"\x01"], [b"", b"\x02"]]:
        socket.send(said)
        assert socket.recv(timeout=20) == b"".join(said), len(said)
    # A ping between two fragments is answered before the message is whole.
    pongs = []

    def fragments():
        yield "one "
        pongs.append(socket.ping(b"between"))
        assert pongs[0].wait(20), "no pong between fragments"
        yield "message"

    socket.send(fragments())
    assert socket.recv(timeout=20) == "one message"
    # Pings with and without words, and the longest that there may be.
    for word in [b"", b"word", b"w" * 125]:
        assert socket.ping(word).wait(20), word
    for said in ["x" * MIB, b"\x7f" * MIB]:
        socket.send(said)
        assert socket.recv(timeout=20) == said, "a message of 1 MiB"
    # Many at once come back in their order.
    for n in range(200):
        socket.send(f"{n}")
    for n in range(200):
        assert socket.recv(timeout=20) == f"{n}"
print(socket.close_code)

# The other side says the same code.
for code in [1001, 3001, 4999]:
    with echo() as socket:
        socket.send("once")
        assert socket.recv(timeout=20) == "once"
        socket.close(code, "because")
        try:
            socket.recv(timeout=20)
            raise AssertionError("a message behind the end")
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, "no close frame came back"
            print(closed.rcvd.code)

try:
    connect(f"ws://127.0.0.1:{port}/websocket/nowhere", proxy=None)
    raise AssertionError("it was taken")
except InvalidStatus as refused:
    print(refused.response.status_code)
