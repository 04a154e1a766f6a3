"""Four members, 200 requests a second through `lb`, one fault after the other.

Retries of idempotent calls (`retries = 3`) and checks every half second are on. Errors are counted from the first check
interval of each fault on; what came before is told beside it.
"""
import time

from .load import drive, errors, took_ms
from .members import Members
from .report import quantile
from .site import Site

RATE = 200
INTERVAL = 0.5
KEYS = ("retries = 3", "check = http:/alive", "check_interval = 500ms", "member_timeout = 500ms", "eject_time = 1",
        "slow_start = 1")
FAULTS = {"refuses": "refuse", "hangs": "hang", "answers 500": "error 500", "is slow (1 s)": "latency 1000",
          "resets": "reset"}


def run(report, options):
    for trial in (one_of_four, flapping, all_but_one, overloaded, impatient):
        trial(report, options)


def path(nth):
    return f"/one?cluster=members&id={nth}"


def told(report, what, ended, limit):
    late = [one for one in ended if one.at >= INTERVAL]
    early = len(errors(ended)) - len(errors(late))
    report.bound(f"{what}: errors", 100.0 * len(errors(late)) / len(late), limit, "%")
    report.note(f"    {len(late)} requests, {early} errors before the first check interval was over; "
                f"p50 {quantile(took_ms(late), 0.5):.0f}, p99 {quantile(took_ms(late), 0.99):.0f} ms")
    for one in errors(late)[:2]:
        report.note(f"    at {one.at:.2f} s after {one.took:.2f} s: {one.code} {one.body[:120]}")


def healed(site, members):
    members.set("pass")
    end = time.monotonic() + 30
    while any(member["state"] != "healthy" for member in site.known()) and time.monotonic() < end:
        time.sleep(0.1)


def one_of_four(report, options):
    with Members(4) as members, Site(options, members.section("members", *KEYS)) as site:
        drive(site, path, RATE, 2)
        for turn, (name, fault) in enumerate(FAULTS.items()):
            members.set(fault, turn % 4)
            told(report, f"one of four {name}", drive(site, path, RATE, 6), 1.0)
            healed(site, members)


def flapping(report, options):
    with Members(4) as members, Site(options, members.section("members", *KEYS)) as site:
        ended = []
        for turn in range(8):
            members.set("refuse" if turn % 2 == 0 else "pass", 1)
            ended += [one._replace(at=one.at + turn) for one in drive(site, path, RATE, 1)]
        told(report, "one of four flaps, a second well and a second dead", ended, 1.0)


def all_but_one(report, options):
    for share in (100, 50):
        with Members(4) as members, Site(options, members.section("members", *KEYS, f"max_ejected = {share}")) as site:
            drive(site, path, RATE, 1)
            members.set("refuse", 0)
            members.set("error 500", 1)
            members.set("hang", 2)
            told(report, f"three of four fail (refuse, 500, hang), max_ejected = {share}", drive(site, path, RATE, 8), 0.0)


def overloaded(report, options):
    with Members(1) as members, Site(options, members.section("members", *KEYS[:3], "eject_after = 1")) as site:
        members.set("latency 20 capacity 1")
        # The checks stand in the same queue as twice the requests it can do.
        ended = drive(site, path, 100, 5)
        codes = {code: sum(one.code == code for one in ended) for code in {one.code for one in ended}}
        known = site.known()[0]
        report.note(f"codes {codes}; 504 is a caller that waited its 5 s in the queue; "
                    f"the checks would have ejected it {known['spared']} times")
        report.bound("a single member at twice its capacity: answers with 503", codes.get(503, 0), 0)
        report.holds("its checks fail and it stays", known["spared"] > 0 and known["ejections"] == 0)


def impatient(report, options):
    with Members(4) as members, Site(options, members.section("members", "eject_after = 2")) as site:
        members.set("latency 300")
        ended = drive(site, lambda nth: f"{path(nth)}&timeout=50", RATE, 3)
        report.note(f"{len(errors(ended))} of {len(ended)} callers waited 50 ms for members that need 300")
        report.bound("callers that wait too short: members ejected", sum(one["ejections"] for one in site.known()), 0)
