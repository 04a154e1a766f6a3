"""Clients that post the same requests over and over, in a process of its own.

`posters.py PORT CLIENTS PLAN` with a plan in JSON, a list of requests: `name`, `file` with the whole request, `mark` that
an answer has `times` times if it is right. Each client goes round the list, from another place, until stdin ends. It
prints in JSON how many answers of each name were right and how many not, and the seconds of the slowest.
"""
import collections
import json
import re
import socket
import sys
import threading
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests/interop"))

from together import until_told  # noqa: E402

PATIENCE = 30


def exchange(port, request):
    """Code and body. A connection for each: they come to every thread of the server."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as line:
        line.sendall(request)
        received = b""
        while not (head := re.match(rb"(?is)HTTP/1.1 (\d+).*?\r\n\r\n", received)):
            if not (more := line.recv(65536)):
                raise EOFError("no answer")
            received += more
        if int(head[1]) == 204:
            return 204, b""
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head[0])
        while length is None or len(received) < head.end() + int(length[1]):
            if not (more := line.recv(1 << 20)):
                break
            received += more
        return int(head[1]), received[head.end():]


def post(nth):
    turn = nth
    while not over.is_set():
        one = plan[turn % len(plan)]
        turn += 1
        began = time.monotonic()
        try:
            code, body = exchange(port, requests[one["name"]])
            is_right = code == 200 and body.count(one["mark"].encode()) == one["times"]
            word = str(code)
        except (OSError, EOFError) as error:
            is_right, word = False, type(error).__name__
        with lock:
            counts[one["name"]][0 if is_right else 1] += 1
            slowest[one["name"]] = max(slowest[one["name"]], time.monotonic() - began)
            if not is_right:
                said[word] += 1
                time.sleep(0.02)


port, clients, plan = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
requests = {one["name"]: Path(one["file"]).read_bytes() for one in plan}
counts, slowest = {one["name"]: [0, 0] for one in plan}, collections.defaultdict(float)
said, lock, over = collections.Counter(), threading.Lock(), threading.Event()
until_told([threading.Thread(target=post, args=(nth,), daemon=True) for nth in range(clients)], over, PATIENCE)
print(json.dumps({"counts": counts, "slowest": slowest, "said": said}), flush=True)
