"""At the limit of descriptors: what cannot be accepted waits, the log says so once, and afterwards all is as before.

400 clients connect to a server that may have 256 descriptors, say nothing and stay; the server's clock for heads is set
beyond their stay, so that the limit is met all the time.
"""
import re
import time

from rig.process import cpu

from .attacks import PAGES, clocks
from .beside import Attackers, Healthy
from .site import Site
from .watch import Watch

LIMIT = 256
CONNECTS = 400
STAY = 5
WITHIN = 2.0
# Of the log: that it is about accepting, in the words of the kernel, of actix or of ours.
ABOUT = re.compile(r"(?i)accept|too many open files|os error 24|descriptor")
MISSED_WITHOUT = ["lines of the log about it"]


def run(report, options):
    path, body = PAGES["demo"]
    with Site(options, keys=clocks(options, head_timeout=60), app="demo", files=LIMIT) as site:
        with Watch(site) as watch:
            before = len(lines(site))
            with Attackers(site.port, CONNECTS, {}) as attackers:
                attackers.in_place()
                time.sleep(STAY)
                processor = cpu(site.process.pid)
                time.sleep(1)
                processor = cpu(site.process.pid) - processor
                most, said = watch.most, lines(site)[before:]
                told = attackers.end()
            left = time.monotonic()
            with Healthy(site.port, path, body, rate=50) as healthy:
                time.sleep(3)
                healthy.end()
        alive = site.process.poll() is None
    for line in said[:3]:
        report.note(line[:160])
    report.bound("connects", told["connected"], CONNECTS, at_least=True)
    report.bound("descriptors in use meanwhile", most, LIMIT - 4, at_least=True)
    report.told("lines of the log about it", str(len(said)), "= 1", len(said) == 1)
    report.bound("processor time in a second of it", processor, 0.1, "s")
    report.holds("the server lives", alive)
    first = min((began + took / 1000 - left for began, took, is_right in healthy.asked if is_right), default=float("inf"))
    report.bound("they leave: a healthy client is answered after", first, WITHIN, "s")
    report.bound("its right answers", sum(is_right for *_, is_right in healthy.asked), 100, at_least=True)
    report.bound("its answers that were wrong or never came", sum(not is_right for *_, is_right in healthy.asked), 0)


def lines(site):
    return [line for line in site.said().splitlines() if ABOUT.search(line)]
