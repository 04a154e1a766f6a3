"""The clients of `proof/roll`, none of which is ours: Python's http.client, Node's http agent and curl."""
import collections
import contextlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from . import proxies
from .report import quantile

HERE = Path(__file__).parent
# Kind, how many, seconds between two requests of one. 64 keep their connections, 16 make one for each request.
KINDS = {"http.client, kept": ("kept", 40, 0.05), "http.client, kept and lazy": ("lazy", 8, 1.5),
         "http.client, anew": ("anew", 16, 0.1)}
NODE = {"Node's agent, kept": ("node", 16, 0.03)}
FEW = {"http.client, kept": ("kept", 8, 0.05)}
# What a client may wait in the mean beside its rest; a client that is starved has fewer answers than this lets it have.
ALLOWED = 0.05
# A connection that had rested for less was in use: nothing may end it unannounced. In seconds.
HARDLY = 0.5
# A stream is this long, in seconds, and gives ten lines a second.
STREAM = 20
# Of curl: the rest is missing; the connection was reset.
WHOLE, CUT = 0, (18, 56)
NODE_VERSION = 18


def node():
    """The path of a Node that is new enough, if there is one."""
    path = proxies.found("node")
    command = [path, "-p", "parseInt(process.versions.node)"]
    major = path and subprocess.run(command, capture_output=True, text=True).stdout
    return path if major and int(major) >= NODE_VERSION else None


class Asked(NamedTuple):
    began: float
    ended: float
    local: int
    pid: int


class Failed(NamedTuple):
    kind: str
    began: float
    ended: float
    local: int
    rested: float
    before: int
    path: str

    def shown(self):
        return (f"{self.kind}: {self.path} on port {self.local} after {self.before} answers and a rest of "
                f"{self.rested:.3f} s, at {self.began:.3f} for {self.ended - self.began:.3f} s")


class Ended(NamedTuple):
    """A kept connection that ended without an octet at rest."""
    kind: str
    at: float
    rested: float
    local: int


class Visitors:
    """All clients at once, until `end`."""

    def __init__(self, port, streams=10, kinds=None):
        self.port, self.streams = port, Streams(port, streams)
        self.kinds = kinds or {**KINDS, **(NODE if node() else {})}
        self.processes, self.found = {}, {}

    def __enter__(self):
        for name, (kind, count, rest) in self.kinds.items():
            words = [node(), HERE / "askers.js", self.port]
            if kind != "node":
                words = [sys.executable, HERE / "askers.py", self.port, kind]
            self.processes[name] = subprocess.Popen([str(word) for word in (*words, count, rest)], text=True,
                                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for process in self.processes.values():
            process.stdout.readline()
        self.began = time.monotonic()
        self.streams.begin()
        return self

    def __exit__(self, *_):
        self.streams.end()
        for process in self.processes.values():
            with contextlib.suppress(OSError):
                process.stdin.close()
            if process.poll() is None and not self.found:
                process.kill()
            process.wait()
            process.stdout.close()

    def end(self):
        """Lets everything under way come to its end."""
        self.streams.end()
        self.took = time.monotonic() - self.began
        for process in self.processes.values():
            process.stdin.close()
        for name, process in self.processes.items():
            self.found[name] = json.loads(process.stdout.readline())
        self.asked = [Asked(*one) for found in self.found.values() for one in found["asked"]]
        self.failed = [Failed(*one) for found in self.found.values() for one in found["failed"]]
        self.ended = [Ended(*one) for found in self.found.values() for one in found["ended"]]

    def by_process(self):
        """How many good answers each process gave."""
        return collections.Counter(one.pid for one in self.asked if one.pid)

    def report_answers(self, report):
        """Every client must have had its answers: who asks nothing has no failures."""
        for name, (_, count, rest) in self.kinds.items():
            good, due = self.found[name]["good"], self.took / (rest + ALLOWED) / 2
            report.bound(f"{name}: good answers of the client that had fewest, of {len(good)}", min(good), round(due),
                         at_least=True)
        took = [(one.ended - one.began) * 1000 for one in self.asked if one.pid]
        announced = sum(found["announced"] for found in self.found.values())
        report.note(f"{len(took)} good answers in {self.took:.0f} s, {announced} of them announced the end of a kept "
                    f"connection; median {quantile(took, 0.5):.1f} ms, p99 {quantile(took, 0.99):.1f} ms, longest "
                    f"{max(took):.0f} ms")

    def failures(self, *kinds):
        """How many requests failed, of these kinds if any are named."""
        return sum(not kinds or one.kind.startswith(kinds) for one in self.failed)


class Stream(NamedTuple):
    began: float
    ended: float
    code: int
    local: int
    pid: int
    is_whole: bool


class Streams:
    """So many curls, each of which reads one stream after the other."""

    def __init__(self, port, count, seconds=STREAM):
        self.port, self.count, self.seconds, self.over = port, count, seconds, threading.Event()
        self.read, self.threads, self.curls = [], [], set()

    def begin(self):
        self.threads = [threading.Thread(target=self.follow) for _ in range(self.count)]
        for thread in self.threads:
            thread.start()

    def follow(self):
        while not self.over.is_set():
            self.read.append(self.one())

    def one(self):
        began = time.monotonic()
        ran = subprocess.run([proxies.found("curl"), "-sN", "-m", "120", "-w", "\n%{local_port}",
                              f"http://127.0.0.1:{self.port}/lasts?seconds={self.seconds}"],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True)
        *lines, local = ran.stdout.split("\n")
        lines = [line for line in lines if line]
        pid = int(lines[0]) if lines and lines[0].isdigit() else 0
        due = [*map(str, range(1, self.seconds * 10)), "whole"]
        is_whole = ran.returncode == WHOLE and lines[1:] == due
        return Stream(began, time.monotonic(), ran.returncode, int(local or 0), pid, is_whole)

    def end(self):
        """No new ones; those under way come to their end."""
        self.over.set()
        for thread in self.threads:
            thread.join()
