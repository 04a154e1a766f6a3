"""Talks to the demo's WebSocket: what is said comes back, in order, whole, and the connection ends as it should.

websocket.py PORT [AUTHORITY]: over TLS, if there is an authority of its certificate
"""
import ssl
import sys

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

port = sys.argv[1]
context = ssl.create_default_context(cafile=sys.argv[2]) if len(sys.argv) > 2 else None
base = f"wss://localhost:{port}" if context else f"ws://127.0.0.1:{port}"
with connect(f"{base}/websocket/echo", proxy=None, ssl=context) as socket:
    for said in ["hello", "größer", b"\x00\xff", "x" * 60_000]:
        socket.send(said)
        assert socket.recv(timeout=10) == said, said[:20]
    assert socket.ping().wait(10), "no pong"
print(socket.close_code)
try:
    connect(f"{base}/websocket/nowhere", proxy=None, ssl=context)
except InvalidStatus as refused:
    print(refused.response.status_code)
