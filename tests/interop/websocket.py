"""Talks to the demo's WebSocket: what is said comes back, in order, whole, and the connection ends as it should."""
import sys

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

port = sys.argv[1]
with connect(f"ws://127.0.0.1:{port}/websocket/echo", proxy=None) as socket:
    for said in ["hello", "größer", b"\x00\xff", "x" * 60_000]:
        socket.send(said)
        assert socket.recv(timeout=10) == said, said[:20]
    assert socket.ping().wait(10), "no pong"
print(socket.close_code)
try:
    connect(f"ws://127.0.0.1:{port}/websocket/nowhere", proxy=None)
except InvalidStatus as refused:
    print(refused.response.status_code)
