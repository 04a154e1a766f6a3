"""Clients of Python's http.client that ask for a path as often as they can and count the answers.

`counting.py PORT PATH CLIENTS`: until its stdin ends; then it prints in JSON how many answers were `good` (200), how
many were `other`, and how many requests were `lost` without one. A connection is given up where the server says so.
"""
import http.client
import json
import sys
import threading

from together import until_told

port, path, clients = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
over = threading.Event()
counts = {"good": 0, "other": 0, "lost": 0}
lock = threading.Lock()


def count(what):
    with lock:
        counts[what] += 1


def ask():
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    while not over.is_set():
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            reply.read()
            count("good" if reply.status == 200 else "other")
        except (OSError, http.client.HTTPException):
            count("lost")
            connection.close()


until_told([threading.Thread(target=ask) for _ in range(clients)], over)
print(json.dumps(counts))
