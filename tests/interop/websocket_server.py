"""A WebSocket server from PyPI, as a member: it says back what it is told, or does what a message asks for.

Prints its port, and ends with its stdin.
"""
import os
import random
import sys
import threading

from websockets.http11 import Response
from websockets.datastructures import Headers
from websockets.sync.server import serve

MIB = 1 << 20


def talk(socket):
    socket.send(f"{socket.request.path} {socket.subprotocol} {bool(socket.protocol.extensions)}")
    for said in socket:
        word, _, rest = said.partition(" ") if isinstance(said, str) else ("", "", "")
        if word == "close":
            return socket.close(int(rest), "because")
        if word == "die":
            os._exit(1)
        if word == "large":
            socket.send(random.Random(7).randbytes(MIB))
        elif word == "fragments":
            socket.send(iter(["gr", "öß", "", "e" * 70_000, "r"]))
        elif word == "ping":
            socket.send("pong" if socket.ping(b"word").wait(20) else "no pong")
        else:
            socket.send(said)


def choose(connection, offered):
    return next((name for name in offered if name in ("v2.talk", "v1.talk")), None)


def refuse(connection, request):
    if request.path.startswith("/refused"):
        return Response(403, "Not You", Headers([("Content-Length", "2")]), b"no")
    return None


with serve(talk, "127.0.0.1", 0, select_subprotocol=choose, process_request=refuse, max_size=4 * MIB) as server:
    print(server.socket.getsockname()[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    server.serve_forever()
