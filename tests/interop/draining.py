"""Keeps clients busy on kept connections, ends the server in their midst, and counts how each connection ended.

Prints one count a line: `close` is an answer that announced the end of its connection. Anything else is a request that
was lost, or a connection that ended unannounced.
"""
import collections
import http.client
import os
import signal
import sys
import threading

CLIENTS = 64
# Requests of each client before the server is told to end.
BEFORE = 5

port, process = int(sys.argv[1]), int(sys.argv[2])
busy = threading.Barrier(CLIENTS + 1)
ends = collections.Counter()
lock = threading.Lock()


def requests():
    """Asks until an answer announces the end of the connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.connect()
    # A connection that was closed must not be replaced in silence.
    connection.auto_open = 0
    answered = 0
    while True:
        try:
            connection.request("GET", f"/slept?millis={answered % 3}")
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            return f"lost {error!r}"
        if answer.status != 200:
            return f"status {answer.status}"
        if answer.getheader("connection") == "close":
            return "close"
        answered += 1
        if answered == BEFORE:
            busy.wait(30)


def client():
    end = requests()
    with lock:
        ends[end] += 1


threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
for thread in threads:
    thread.start()
busy.wait(30)
os.kill(process, signal.SIGTERM)
for thread in threads:
    thread.join(60)
for end, count in sorted(ends.items()):
    print(count, end)
