"""The processes beside a server under attack, each started, spoken to and ended here: who attacks, who behaves, who posts.

They are processes of their own so that none keeps another waiting, and so that the one that reads the clock does little.
"""
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from .report import quantile

HERE = Path(__file__).parent


class Helper:
    """A script that says something, stays until its stdin ends, and then says what it saw."""

    def __init__(self, script, *words):
        self.process = subprocess.Popen([sys.executable, HERE / script, *map(str, words)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def line(self):
        return self.process.stdout.readline()

    def end(self):
        """What it saw; nothing of one that had to be killed."""
        told, _ = self.process.communicate()
        return json.loads(told) if told else {}


class Attackers(Helper):
    def __init__(self, port, count, plan):
        super().__init__("attackers.py", port, count, json.dumps(plan))

    def in_place(self):
        """When the first connected and when the last had done what it came for; waits until then."""
        return json.loads(self.line() or "{}")


class Posters(Helper):
    """`plan` as `posters.py` has it; the requests are written into the folder."""

    def __init__(self, port, clients, folder, plan):
        for nth, one in enumerate(plan):
            one["file"] = str(Path(folder, f"request-{nth}"))
            Path(one["file"]).write_bytes(one.pop("request"))
        super().__init__("posters.py", port, clients, json.dumps(plan))
        self.line()

    def work(self, warm, seconds):
        """Lets them post for so long, once they are warm. From when, until when, and what they saw."""
        time.sleep(warm)
        began = time.monotonic()
        time.sleep(seconds)
        until = time.monotonic()
        return began, until, self.end()


class Seen(NamedTuple):
    """What a healthy client saw for a while."""
    right: int
    wrong: int
    p50: float
    p99: float


class Healthy(Helper):
    """The answers are looked at when it has ended."""

    def __init__(self, port, path, body, rate=200, connections=8, connects_anew=False):
        super().__init__("healthy.py", port, rate, connections, path, body, *(["anew"] if connects_anew else []))
        self.rate = rate
        self.line()

    def end(self):
        told = super().end()
        self.asked, self.held_up = told["asked"], told["held_up"]

    def seen(self, since, until):
        """Of what began between the two."""
        asked = [one for one in self.asked if since <= one[0] < until]
        times = [took for _, took, _ in asked] or [float("inf")]
        right = sum(is_right for *_, is_right in asked)
        return Seen(right, len(asked) - right, quantile(times, 0.5), quantile(times, 0.99))


def json_post(path, text, more=""):
    """A request with JSON."""
    return posted(path, "application/json", text, more)


def posted(path, kind, text, more=""):
    body = text.encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body
