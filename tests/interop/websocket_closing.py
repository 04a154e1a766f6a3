"""Talks to the demo's WebSocket, ends the server in the midst, and prints the code of the server's goodbye."""
import os
import signal
import sys

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

port, process = sys.argv[1], int(sys.argv[2])
with connect(f"ws://127.0.0.1:{port}/websocket/echo", proxy=None) as socket:
    socket.send("before")
    assert socket.recv(timeout=10) == "before"
    os.kill(process, signal.SIGTERM)
    try:
        print("received", socket.recv(timeout=20))
    except ConnectionClosed as closed:
        print(closed.rcvd.code if closed.rcvd else "cut")
