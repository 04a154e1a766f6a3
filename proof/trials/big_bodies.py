"""A small page beside ten bodies of 5 MB: they are read, parsed and answered while others get their turn.

Ten clients post an array of texts of 5 MB each, over and over: to a page, over JSON-RPC, over XML-RPC. What they are
answered is in proportion to nothing (the first and the last text), so that it is the reading that is measured.
"""
import json
import time

from .attacks import PAGES, clocks
from .beside import Healthy, Posters, json_post, posted
from .site import Site

CLIENTS = 10
TEXTS = 50_000
SLOWEST_P99 = 20.0
MISSED_WITHOUT = ["the small page's p99"]


def run(report, options):
    # Ten bodies of 5 MB share two processors: no clock of the connections is the matter here.
    with Site(options, keys=clocks(options, body_timeout=30, send_timeout=10)) as site:
        with Healthy(site.port, *PAGES["testsite"]) as healthy:
            time.sleep(1)
            since = time.monotonic()
            time.sleep(options.alone)
            alone_until = time.monotonic()
            with Posters(site.port, CLIENTS, site.folder.name, plan()) as posters:
                began, until, told = posters.work(1, 5 if options.quick else 20)
            healthy.end()
    alone, beside = healthy.seen(since, alone_until), healthy.seen(began, until)
    report.note(f"p50 {alone.p50:.2f} ms alone, {beside.p50:.2f} beside; p99 {alone.p99:.2f} alone; held up by the machine "
                f"for up to {healthy.held_up:.0f} ms")
    slowest = {name: f"{seconds:.1f} s" for name, seconds in told["slowest"].items()}
    report.note(f"slowest answers to the bodies: {slowest}; wrong: {told['said'] or 'none'}")
    report.bound("the small page's p99", beside.p99, SLOWEST_P99, "ms")
    report.bound("its right answers", beside.right, int(0.95 * healthy.rate * (until - began)), at_least=True)
    report.bound("its answers that were wrong or never came", sum(not right for *_, right in healthy.asked), 0)
    for name, (right, wrong) in told["counts"].items():
        report.bound(f"{name}: bodies answered rightly", right, CLIENTS, at_least=True)
        report.bound(f"{name}: wrongly", wrong, 0)


def plan():
    texts = [f"text {nth} " + "x" * 84 for nth in range(TEXTS)]
    texts[0], texts[-1] = "the very first", " and the very last"
    answer = texts[0] + texts[-1]
    method = "validator1.moderateSizeArrayCheck"
    values = "".join(f"<value><string>{text}</string></value>" for text in texts[:38_000] + texts[-1:])
    call = (f"<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName><params><param><value><array><data>{values}"
            f"</data></array></value></param></params></methodCall>")
    return [
        {"name": "page", "request": json_post("/validator1/moderateSizeArrayCheck", json.dumps({"texts": texts})),
         "mark": answer, "times": 1},
        {"name": "JSON-RPC", "request": json_post("/rpc3", json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": method, "params": [texts]})), "mark": answer, "times": 1},
        {"name": "XML-RPC", "request": posted("/RPC2", "text/xml", call), "mark": answer, "times": 1},
    ]
