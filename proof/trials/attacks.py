"""So many connections that mean no good, beside one client that means well: what they cost, and when they are ended.

Each attack has a server of its own, so that no memory is one of another's. A client asks for a small page all the time:
before, meanwhile and afterwards. The bounds are in proportion to what that client and that server were like before.

That client has a twin, who asks a server that nobody attacks. A thousand connections opened at once, and all that both ends
do with them, share the machine's processors with the healthy client: its twin tells what comes of that, and of whatever else
the machine does, so that what is left is the attacked server's own doing.
"""
import os
import time
from pathlib import Path
from typing import NamedTuple

from rig.process import cpu

from .beside import Attackers, Healthy
from .site import Site
from .watch import Watch

# What the site is configured with, so that everything ends soon enough to be waited for. In seconds.
CLOCKS = {"head_timeout": 3, "keep_alive": 5, "body_timeout": 5, "send_timeout": 3}
# An older build does not know these.
NEW_CLOCKS = ("keep_alive", "send_timeout")
# How late a clock may be: it may look at its connections once a second or two, and a machine of two cores has much to do.
SLACK = 3
# MiB a connection, at the peak.
EACH = 0.5
# What the server has more than when it was idle, once they are gone: a share, and what an allocator keeps. In MiB.
KEPT, ALLOCATOR = 0.2, 8
BACK_WITHIN = 10
# The healthy client's p99 beside its own alone, or its twin's meanwhile where that is more; what is below the floor is the
# machine's. In milliseconds.
SLOWER, FLOOR = 2, 2.0
# The share of its requests that have to be right. All that were answered must be; these have to be made at all.
MADE = 0.95
# The share of the attack's connections that the server has to have held at once, or it was no attack.
HELD = 0.9

PAGES = {"demo": ("/hello", "Hello World"), "testsite": ("/get_data", '["hello",5]')}
BODY = 5_000_000


def get(path, more=""):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n"


class Attack(NamedTuple):
    what: str
    clock: str
    plan: dict
    app: str = "demo"
    # Whether the server may have let go of the first before the last is there.
    may_be_refused: bool = False


def posts(length, path="/echo"):
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"


def burst(path, times):
    return {"first": get(path), "copies": 4600, "times": times, "window": 2048}


ATTACKS = {
    "second head": Attack(
        "a request, its answer read, then one octet of the next and silence", "head_timeout",
        {"first": get("/hello"), "answer": "Hello World", "second": "G"}),
    "slow heads": Attack(
        "heads that come an octet a second", "head_timeout",
        {"first": "GET /hello HTTP/1.1\r\nHost: x\r\nX-Slow: ", "drip": "a"}),
    "slow bodies": Attack(
        "bodies that come an octet a second, then not at all", "body_timeout",
        {"first": posts(BODY) + '{"value": "', "drip": "a", "drips": 2}),
    "endless bodies": Attack(
        "bodies of 5 MB that lack their last octet", "body_timeout",
        {"first": posts(BODY), "padding": BODY - 1}, may_be_refused=True),
    "burst of pages": Attack(
        "4 600 small pages asked for in one write, none read", "send_timeout", burst("/hello", 1)),
    "burst of nothing": Attack(
        "46 000 answers without a body asked for, none read", "send_timeout", burst("/notify_hello?n=0", 10), "testsite"),
    "burst of redirects": Attack(
        "4 600 redirects asked for in one write, none read", "send_timeout", burst("/away?to=/x", 1), "testsite"),
    "burst of 2 700": Attack(
        "4 600 pages of 2 700 octets asked for in one write, none read", "send_timeout", burst("/large?bytes=2700", 1),
        "testsite"),
    "file unread": Attack(
        "a file of 64 MB asked for, with a window of 2 KiB, nothing read", "send_timeout",
        {"first": get("/files/large.bin"), "window": 2048}),
    "stream unread": Attack(
        "an endless stream asked for, with a window of 2 KiB, nothing read", "send_timeout",
        {"first": get("/letters?chunks=1000000000"), "window": 2048}, "testsite"),
    "file sipped": Attack(
        "a file of 64 MB, read an octet a second", "send_timeout",
        {"first": get("/files/large.bin"), "window": 2048, "sip": 1}),
    "stream sipped": Attack(
        "an endless stream, read an octet a second", "send_timeout",
        {"first": get("/letters?chunks=1000000000"), "window": 2048, "sip": 1}, "testsite"),
    "kept": Attack(
        "a request, its answer read, then nothing", "keep_alive", {"first": get("/hello"), "answer": "Hello World"}),
    "silent": Attack("nothing is ever sent", "head_timeout", {}),
}

# Bounds that a server without the clocks and bounds of connections must miss, at every count.
MISSED_WITHOUT = {
    "second head": ["all ended by the server"],
    "endless bodies": ["memory at the peak", "the healthy client's p99"],
    "burst of pages": ["all ended by the server", "memory at the peak", "the healthy client's p99"],
    "burst of nothing": ["all ended by the server", "the healthy client's p99"],
    "burst of redirects": ["all ended by the server", "the healthy client's p99"],
    "burst of 2 700": ["all ended by the server", "memory at the peak", "the healthy client's p99"],
    "file unread": ["all ended by the server"],
    "stream unread": ["all ended by the server"],
    "file sipped": ["all ended by the server"],
    "stream sipped": ["all ended by the server"],
}


def clocks(options, **others):
    """The keys of the conf that this build knows."""
    values = {**CLOCKS, **others}
    return [f"{name} = {seconds}s" for name, seconds in values.items() if not (options.control and name in NEW_CLOCKS)]


def run(report, options, attack, count):
    with Site(options, "/files = files", keys=clocks(options), folders=("files",), app=attack.app) as site:
        large = Path(site.folder.name, "files", "large.bin")
        large.touch()
        os.truncate(large, 64_000_000)
        path, body = PAGES[attack.app]
        with Site(options, keys=clocks(options), app=attack.app) as other, Healthy(other.port, path, body) as twin, \
                Healthy(site.port, path, body) as healthy, Watch(site) as watch:
            tried(report, options, attack, count, healthy, twin, watch)


def tried(report, options, attack, count, healthy, twin, watch):
    # Its first requests find a server that has never been asked anything.
    time.sleep(1)
    alone_since = time.monotonic()
    time.sleep(options.alone)
    idle, descriptors, began = watch.memory, watch.held, time.monotonic()
    watch.anew()
    processor = cpu(watch.site.process.pid)
    clock, held_at_once = CLOCKS[attack.clock], 1 if attack.may_be_refused else int(HELD * count)
    with Attackers(watch.site.port, count, attack.plan) as attackers:
        watch.call_off = attackers.process.terminate
        placed = attackers.in_place()
        since = placed.get("in_place", time.monotonic())
        # What was just done is not seen at once.
        watch.waits(lambda: watch.most - descriptors >= held_at_once, since + 1)
        ended = watch.waits(lambda: watch.held <= descriptors + 1, since + clock + SLACK + 1)
        held = watch.held - descriptors
        attacked_until, processor = time.monotonic(), cpu(watch.site.process.pid) - processor
        told = attackers.end()
    left = time.monotonic()
    limit = idle * (1 + KEPT) + ALLOCATOR
    watch.is_called_off, called_off = False, watch.is_called_off
    back = watch.waits(lambda: watch.memory <= limit and watch.held <= descriptors + 1, left + BACK_WITHIN)
    after, still = watch.memory, watch.held - descriptors
    healthy.end()
    twin.end()

    alone, beside = healthy.seen(alone_since, began), healthy.seen(began, attacked_until)
    elsewhere = twin.seen(began, attacked_until)
    report.note(f"idle {idle:.1f} MiB, {watch.peak:.1f} at the peak; the server said "
                f"{told.get('said') or 'nothing'}; they sent {told.get('sent', 0) / 1e6:.1f} MB")
    report.note(f"it took {attacked_until - began:.1f} s, and {processor:.1f} s of processor time of the server; the healthy "
                f"client: p50 {alone.p50:.2f} ms alone, {beside.p50:.2f} beside, held up by the machine for up to "
                f"{healthy.held_up:.0f} ms")
    if called_off:
        report.note(f"called off: the server had {watch.peak:.0f} MiB")
    report.bound("connections of the attack", told.get("connected", 0), count, at_least=True)
    report.bound("of these, held by the server at once", watch.most - descriptors, held_at_once, at_least=True)
    if "answer" in attack.plan:
        report.bound("of these, answered rightly before", told.get("right", 0), count, at_least=True)
    took = f"{ended - since:.1f} s" if ended else f"{held} are not"
    report.told(f"all ended by the server ({attack.clock})", took, f"≤ {clock} s + {SLACK} s",
                bool(ended) and ended - since <= clock + SLACK)
    report.bound("memory at the peak, above idle", watch.peak - idle, EACH * count, "MiB")
    report.told("memory and descriptors are back after they are gone", f"{back - left:.1f} s" if back else
                f"{after:.1f} MiB, {still}", f"≤ {limit:.1f} MiB in {BACK_WITHIN} s", bool(back))
    allowed = max(SLOWER * alone.p99, SLOWER * elsewhere.p99, FLOOR)
    report.told("the healthy client's p99", f"{beside.p99:.2f} ms", f"≤ {allowed:.2f} ms ({alone.p99:.2f} alone, its "
                f"twin's meanwhile {elsewhere.p99:.2f})", beside.p99 <= allowed)
    expected = int(MADE * healthy.rate * (attacked_until - began))
    report.bound("its right answers meanwhile", beside.right, expected, at_least=True)
    report.bound("its answers that were wrong or never came, at any time", sum(not right for *_, right in healthy.asked), 0)
    report.bound("its twin's right answers meanwhile", elsewhere.right, expected, at_least=True)
