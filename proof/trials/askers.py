"""Clients of one kind, all of Python's http.client, in a process of their own: each asks, rests and asks again.

`askers.py PORT KIND COUNT REST` has COUNT clients that rest REST seconds between two requests, until its stdin ends:

    kept   keeps its connection for as long as the server lets it
    lazy   the same, and rests between a third and five thirds of REST
    anew   connects for each request

A connection that was closed while it rested is seen before the next request is sent, as by every client that keeps
connections, and is no failed request. An end without an octet after a request was sent on a connection that had rested
for `IDLE` may be such a close that crossed the request; on any other it is a lost request. At the end it prints in JSON
what came of it; times are the machine's monotonic clock's.
"""
import http.client
import json
import random
import select
import socket
import sys
import threading
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests/interop"))

from together import until_told  # noqa: E402

PATIENCE = 10
# A connection that has rested for so long may be closed by a server that ends. In seconds; half of `drain_idle`.
IDLE = 0.5
# Every third request is at work for a while, so that each replacement meets requests under way.
PATHS = ("/pid", "/rests?ms=15", "/pid")

over = threading.Event()
asked, failed, ended = [], [], []


class Client:
    def __init__(self, port, kind, rest):
        self.kind, self.rest, self.good, self.answers_close = kind, rest, 0, 0
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        # A connection is made where this file says so, and nowhere else.
        self.connection.auto_open = 0
        self.local, self.rested_since, self.on_it = 0, 0.0, 0

    def run(self):
        time.sleep(random.random() * self.rest)
        nth = random.randrange(len(PATHS))
        while not over.is_set():
            nth += 1
            self.ask(PATHS[nth % len(PATHS)])
            over.wait(self.rest * random.uniform(1 / 3, 5 / 3) if self.kind == "lazy" else self.rest)

    def ask(self, path):
        if self.connection.sock and (kind := at_rest(self.connection.sock)):
            self.end(kind)
        rested = time.monotonic() - self.rested_since if self.connection.sock else 0
        began, is_connected, found = time.monotonic(), bool(self.connection.sock), None
        try:
            if not is_connected:
                self.on_it, self.local = 0, 0
                self.connection.connect()
                is_connected, self.local = True, self.connection.sock.getsockname()[1]
            self.connection.request("GET", path, headers={"Connection": "close"} if self.kind == "anew" else {})
            reply = self.connection.getresponse()
            body = reply.read()
            found = f"status {reply.status}" if reply.status != 200 else None if body.isdigit() else "another body"
            self.answers_close += reply.will_close
        except (OSError, http.client.HTTPException) as error:
            found = named(error, is_connected)
            self.connection.close()
        now = time.monotonic()
        asked.append((began, now, self.local, 0 if found else int(body)))
        if found == "silent" and rested >= IDLE:
            ended.append(("crossed", now, rested, self.local))
        elif found:
            failed.append((found, began, now, self.local, rested, self.on_it, path))
        else:
            self.good += 1
            self.on_it += 1
        self.rested_since = now

    def end(self, kind):
        """A connection that ended at rest."""
        now = time.monotonic()
        rested = now - self.rested_since
        if kind == "closed":
            ended.append((kind, now, rested, self.local))
        else:
            failed.append((f"{kind} at rest", now, now, self.local, rested, self.on_it, ""))
        self.connection.close()


def at_rest(sock):
    """What has come on a connection on which nothing was asked."""
    if not select.select([sock], [], [], 0)[0]:
        return None
    try:
        return "more" if sock.recv(1, socket.MSG_PEEK) else "closed"
    except OSError:
        return "reset"


def named(error, is_connected):
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if not is_connected:
        return "refused" if isinstance(error, ConnectionRefusedError) else f"no connection: {error}"
    if isinstance(error, http.client.RemoteDisconnected):
        return "silent"
    if isinstance(error, ConnectionError):
        return "reset"
    return "cut" if isinstance(error, http.client.IncompleteRead) else repr(error)


def main(port, kind, count, rest):
    clients = [Client(port, kind, rest) for _ in range(count)]
    until_told([threading.Thread(target=client.run) for client in clients], over)
    print(json.dumps({"good": [client.good for client in clients], "asked": asked, "failed": failed, "ended": ended,
                      "announced": sum(client.answers_close for client in clients if kind != "anew")}), flush=True)


main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
