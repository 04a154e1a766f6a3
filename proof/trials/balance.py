"""Members of unlike pace, members that refuse quickly, members that go and come back."""
import json
import time
from statistics import median

from .load import drive, errors, took_ms
from .members import Members
from .report import quantile
from .site import Site

RATE = 200
KEYS = 2000


def run(report, options):
    slow(report, options)
    refusing(report, options)
    removed(report, options)
    returning(report, options)


def path(nth):
    return f"/one?cluster=members&id={nth}"


def driven(options, members, *keys, of=None, seconds=10, rate=RATE):
    """After the members were met: the requests, and each member's share."""
    with Site(options, members.section("members", *keys, of=of)) as site:
        drive(site, path, rate, 3)
        members.zero()
        ended = drive(site, path, rate, seconds)
        counted = members.counted()
        return ended, [100.0 * one / sum(counted) for one in counted]


def slow(report, options):
    """The same requests, turn and turn about, to three clusters of the same members: what holds up the machine falls on
    all three alike."""
    with Members(3) as members:
        members.set("latency 50")
        members.set("latency 500", 2)
        sections = (members.section("two", of=[0, 1]), members.section("pace"),
                    members.section("turn", "balance = round_robin"))
        names = ("two", "pace", "turn")
        with Site(options, *sections) as site:
            rate, ask = RATE * 1.5, lambda nth: f"/one?cluster={names[nth % 3]}&id={nth}"
            drive(site, ask, rate, 5)
            rounds = [drive(site, ask, rate, 3) for _ in range(10)]
        # Requests end in any order; their begin tells which one it was.
        rounds = [[[one for one in ended if round(one.at * rate) % 3 == nth] for nth in range(3)] for ended in rounds]
        p99 = [median([quantile(took_ms(ended[nth]), 0.99) for ended in rounds]) for nth in range(3)]
        whole = [quantile([took for ended in rounds for took in took_ms(ended[nth])], 0.99) for nth in range(3)]
        homes = [json.loads(one.body)["node"] for ended in rounds for one in ended[1]]
        share = 100.0 * homes.count(members.node(2)) / len(homes)
        report.note(f"p99, the median of ten rounds of 3 s: two healthy members {p99[0]:.0f} ms; with a third, ten times "
                    f"slower: {p99[1]:.0f} by pace, {p99[2]:.0f} in turn")
        report.note(f"p99 of all rounds together: {whole[0]:.0f}, {whole[1]:.0f}, {whole[2]:.0f} ms")
        report.bound("one of three ten times slower, by pace: p99 beside two healthy ones", p99[1] / p99[0], 2.0, "×")
        report.bound("the same, of all rounds together", whole[1] / whole[0], 2.0, "×")
        report.bound("the slow one's share, by pace", share, 1.0, "%")
        report.bound("one of three ten times slower, in turn", p99[2] / p99[0], 5.0, "×", at_least=True)


def refusing(report, options):
    for name, fault in (("429 and Retry-After", "error 429 retry_after 1"), ("429 alone", "error 429")):
        with Members(3) as members:
            members.set("latency 10")
            members.set(f"latency 1 {fault}", 2)
            _, shares = driven(options, members)
            report.bound(f"one of three answers {name} after 1 ms: its share", shares[2], 15.0, "%")


def removed(report, options):
    with Members(10) as members:
        sections = (members.section("ten", "balance = hash"), members.section("nine", "balance = hash", of=range(9)))
        with Site(options, *sections) as site:
            homes = {}
            for name in ("ten", "nine"):
                ended = drive(site, lambda nth: f"/one?cluster={name}&key=user-{nth}", 400, KEYS / 400)
                # Requests end in any order; their begin tells which one it was.
                homes[name] = {round(one.at * 400): json.loads(one.body)["node"] for one in ended}
            moved = sum(homes["ten"][key] != homes["nine"][key] for key in range(KEYS))
            orphans = sum(home == members.node(9) for home in homes["ten"].values())
        report.bound(f"one of ten members removed, {KEYS} keys: remapped", 100.0 * moved / KEYS, 12.0, "%")
        report.holds("nobody moves but those whose member is gone", moved == orphans, f"{moved} of {orphans}")


def returning(report, options):
    with Members(3) as members:
        keys = ("eject_after = 2", "eject_time = 500ms", "slow_start = 10")
        with Site(options, members.section("members", *keys)) as site:
            members.set("latency 5")
            drive(site, path, RATE, 2)
            members.set("error 503", 2)
            drive(site, path, RATE, 1)
            members.set("latency 5", 2)
            end = time.monotonic() + 30
            while site.known()[2]["state"] != "healthy" and time.monotonic() < end:
                drive(site, path, 20, 0.1)
            shares = []
            for _ in range(6):
                members.zero()
                drive(site, path, RATE, 2)
                counted = members.counted()
                shares.append(100.0 * counted[2] / sum(counted))
        report.note("its share, two seconds each: " + ", ".join(f"{share:.0f} %" for share in shares))
        report.bound("a member returns, slow_start = 10: its share of the first two seconds", shares[0], 20.0, "%")
        report.bound("its share after the window, of a third", shares[5], 25.0, "%", at_least=True)
        report.holds("it grows", shares[0] < shares[2] < shares[5])
