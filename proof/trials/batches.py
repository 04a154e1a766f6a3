"""Single calls beside a batch of 100 fan-outs: one request does not take every connection to the members.

The members answer after 50 ms, over fewer connections than the batch would have. A client posts a JSON-RPC batch of 100
fan-outs, over and over, each over a connection of its own, so that every thread has its turn; others make the same fan-out
one at a time.
"""
import json
import time

from .attacks import clocks
from .beside import Healthy, Posters, json_post
from .members import Members
from .site import Site

LATENCY = 50
# A batch runs 64 calls at once: those of one thread must be able to wait, at five times as many as there are connections,
# or they would be refused, which is another matter.
CONNECTIONS = 32
BATCH = 100
RATE = 20
SLOWER = 2
SINGLE = "/fetch?cluster=members/rpc2&way=map"
MISSED_WITHOUT = ["the single calls' p99"]


def run(report, options):
    with Members(2) as members:
        members.set(f"latency {LATENCY}")
        section = members.section("members", f"connections = {CONNECTIONS}")
        with Site(options, section, keys=clocks(options)) as site:
            code, body, _ = site.get(SINGLE)
            if code != 200:
                raise RuntimeError(f"{SINGLE}: {code} {body}")
            with Healthy(site.port, SINGLE, body, rate=RATE, connections=6) as single:
                time.sleep(1)
                since = time.monotonic()
                time.sleep(2 * options.alone)
                half = time.monotonic()
                time.sleep(2 * options.alone)
                alone_until = time.monotonic()
                with Posters(site.port, 1, site.folder.name, plan()) as posters:
                    began, until, told = posters.work(0.5, 10 if options.quick else 30)
                single.end()
    # So few calls: one stall of the machine is their p99. What is slower of the two halves is no measure of the server.
    alone = min(single.seen(since, half), single.seen(half, alone_until), key=lambda seen: seen.p99)
    beside = single.seen(began, until)
    right, wrong = told["counts"]["batch"]
    report.note(f"{RATE} single calls a second over {CONNECTIONS} connections a member: p50 {alone.p50:.1f} ms alone, "
                f"{beside.p50:.1f} beside; slowest batch {told['slowest'].get('batch', 0):.1f} s; its answers that were "
                f"wrong: {told['said'] or 'none'}")
    report.bound("the single calls' p99", beside.p99, SLOWER * alone.p99, f"ms ({alone.p99:.1f} alone)")
    report.bound("their right answers", beside.right, int(0.95 * RATE * (until - began)), at_least=True)
    report.bound("their answers that were wrong or never came", sum(not is_right for *_, is_right in single.asked), 0)
    report.bound("batches of 100 right answers", right, 2 if options.quick else 6, at_least=True)
    report.bound("batches that lack one", wrong, 0)


def plan():
    calls = [{"jsonrpc": "2.0", "id": nth, "method": "fetch", "params": {"cluster": "members/rpc2", "way": "map"}}
             for nth in range(BATCH)]
    return [{"name": "batch", "request": json_post("/rpc3", json.dumps(calls)), "mark": '"result":[', "times": BATCH}]
