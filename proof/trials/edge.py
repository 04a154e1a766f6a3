"""The edge under attack by a program that is not ours, and beyond its limits: what a client that means well waits.

The site has its usual clocks. The client's p99 is held to twice its own alone. A thousand connections that are opened at
once share the machine's two processors with it: so a twin of it asks a server that nobody attacks, and where that one has to
wait as well, twice what the twin waits is allowed, or what is below the floor, which is the machine's.
"""
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from rig.process import cpu

from .beside import Attackers, Healthy
from .proxies import install as install_packages
from .site import Site
from .watch import Watch

PAGE, BODY = "/hello", "Hello World"
CONNECTIONS, OPENED = 1000, 250
# How long an attack lasts, of which the first seconds are those in which it comes, and how long it takes to be gone.
LASTS, LATEST = 20, 15
SLOWER, FLOOR = 2, 2.0
RATE = 100
MADE = 0.95
# Of the server's connections, at the peak: the attack was one.
HELD = 0.9
LIMIT = 256
WITHIN = 2.0
LARGE = 64_000_000
# Connections of a client that keeps them.
KEPT = 8


class Mode(NamedTuple):
    what: str
    words: list
    path: str
    # Whether the answer ends the connection, so that not all of them are there at once.
    may_be_answered: bool = False


MODES = {
    "slow headers": Mode("-H: heads that get a line more every five seconds", ["-H", "-i", "5", "-x", "24"], PAGE),
    "slow bodies": Mode("-B: bodies that get some octets more every five seconds",
                        ["-B", "-i", "5", "-s", "8192", "-x", "10", "-f", "application/json"], "/echo"),
    "ranges": Mode("-R: a file of 64 MB in hundreds of ranges that overlap",
                   ["-R", "-a", "5", "-b", "3000", "-t", "GET"], "/files/large.bin", may_be_answered=True),
    "slow read": Mode("-X: a file of 64 MB with a window of half a KiB, 32 octets read every five seconds",
                      ["-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "3"], "/files/large.bin"),
}


def install():
    install_packages({"slowhttptest": "slowhttptest"}, "proof/edge")


def version():
    told = subprocess.run(["slowhttptest", "-h"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return f"slowhttptest {re.search(r'version ([0-9.]+)', told)[1]}"


class Pair:
    """A site, and a twin of it that nobody attacks, with a client at each."""

    def __init__(self, options, connects_anew, **site):
        self.options = options
        self.site = Site(options, "/files = files", folders=("files",), app="demo", **site)
        large = Path(self.site.folder.name, "files", "large.bin")
        large.touch()
        os.truncate(large, LARGE)
        self.other = Site(options, app="demo")
        more = {"rate": RATE, "connections": KEPT, "connects_anew": connects_anew}
        self.healthy = Healthy(self.site.port, PAGE, BODY, **more)
        self.twin = Healthy(self.other.port, PAGE, BODY, **more)
        self.watch = Watch(self.site)
        self.parts = [self.site, self.other, self.healthy, self.twin, self.watch]

    def __enter__(self):
        for part in self.parts:
            part.__enter__()
        # Its first requests find a server that has never been asked anything.
        time.sleep(1)
        self.alone_since = time.monotonic()
        time.sleep(self.options.alone)
        self.began, self.idle, self.descriptors = time.monotonic(), self.watch.memory, self.watch.held
        self.processor = cpu(self.site.process.pid)
        self.watch.anew()
        return self

    def __exit__(self, *error):
        for part in reversed(self.parts):
            part.__exit__(*error)

    def attacked(self):
        """The attack is over."""
        self.until, self.processor = time.monotonic(), cpu(self.site.process.pid) - self.processor

    def told(self, report, whose):
        """Ends the clients, and holds what they saw to the bounds."""
        self.healthy.end()
        self.twin.end()
        alone, beside = self.healthy.seen(self.alone_since, self.began), self.healthy.seen(self.began, self.until)
        elsewhere = self.twin.seen(self.began, self.until)
        report.note(f"{self.until - self.began:.1f} s, and {self.processor:.1f} s of processor time of the server; "
                    f"{self.watch.peak - self.idle:.1f} MiB more at the peak than the {self.idle:.1f} before; the client: "
                    f"p50 {alone.p50:.2f} ms alone, {beside.p50:.2f} beside")
        strict = SLOWER * alone.p99
        allowed = max(strict, SLOWER * elsewhere.p99, FLOOR)
        report.told(f"p99 of a healthy client {whose}", f"{beside.p99:.2f} ms",
                    f"≤ {allowed:.2f} ms (twice its own alone: {strict:.2f}; its twin's meanwhile: {elsewhere.p99:.2f})",
                    beside.p99 <= allowed)
        report.bound("its right answers meanwhile", beside.right, int(MADE * RATE * (self.until - self.began)), at_least=True)
        report.bound("its answers that were wrong or never came, at any time",
                     sum(not is_right for *_, is_right in self.healthy.asked), 0)


def slow(report, options, mode):
    """slowhttptest in one of its modes."""
    with Pair(options, connects_anew=True) as pair, tempfile.TemporaryFile() as said:
        tester = subprocess.Popen(
            ["slowhttptest", *mode.words, "-c", str(options.connections), "-r", str(OPENED), "-l", str(options.lasts),
             "-p", "3", "-v", "1", "-u", f"http://127.0.0.1:{pair.site.port}{mode.path}"],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        pair.watch.call_off = tester.terminate
        try:
            tester.wait(options.lasts + LATEST)
            is_over = True
        except subprocess.TimeoutExpired:
            tester.kill()
            is_over = False
        pair.attacked()
        said.seek(0)
        text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", said.read().decode(errors="replace"))
        ended = re.findall(r"[Ee]xit status: *(.*)", text)
        report.note(f"slowhttptest says: {ended[-1].strip() if ended else 'nothing'}")
        available = re.findall(r"service available: *(\w+)", text)
        pair.told(report, "that connects anew")
        report.holds("slowhttptest ran to its end", is_over and tester.returncode == 0, f"code {tester.returncode}")
        report.told("slowhttptest's own probes found the service available", f"{available.count('YES')} times",
                    f"= {len(available)}, ≥ 1", bool(available) and set(available) == {"YES"})
        least = 1 if mode.may_be_answered else int(HELD * options.connections)
        report.bound("connections at the peak, and the files that they read", pair.watch.most - pair.descriptors, least, at_least=True)
        back = pair.watch.waits(lambda: pair.watch.held <= pair.descriptors + 8, time.monotonic() + LATEST)
        report.holds("all descriptors are back after it", bool(back), f"{pair.watch.held} of {pair.descriptors}")
        report.holds("the server lives", pair.site.process.poll() is None)


def exhausted(report, options, keys=()):
    """So many connections that the server can have no more descriptors, beside a client that has its own."""
    limits = {"keys": ["head_timeout = 60s", *keys], "files": 0 if keys else LIMIT}
    with Pair(options, connects_anew=False, **limits) as pair:
        with Attackers(pair.site.port, 2 * LIMIT, {}) as attackers:
            attackers.in_place()
            time.sleep(options.lasts / 2)
            pair.attacked()
            most, held = pair.watch.most, pair.watch.held
            attackers.end()
        left = time.monotonic()
        with Healthy(pair.site.port, PAGE, BODY, rate=50, connects_anew=True) as anew:
            time.sleep(3)
            anew.end()
        pair.told(report, "on kept connections")
        if not keys:
            report.bound("descriptors in use meanwhile", most, LIMIT - 4, at_least=True)
        else:
            report.bound("connections once the others were told", held - pair.descriptors + KEPT, LIMIT)
        first = min((began + took / 1000 - left for began, took, right in anew.asked if right), default=float("inf"))
        report.bound("they leave: a new client is served after", first, WITHIN, "s")
        report.bound("its answers of these three seconds that are right", sum(right for *_, right in anew.asked), 100,
                     at_least=True)
        report.holds("the server lives", pair.site.process.poll() is None)


def limited(report, options):
    """Twice `max_connections`: those beyond it are told so, beside a client that has its own."""
    exhausted(report, options, keys=[f"max_connections = {LIMIT}"])


BEYOND = {"descriptors": exhausted, "max_connections": limited}
