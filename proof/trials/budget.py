"""Three servers in a row, A → B → C, A is given 500 ms and C's member would need for ever.

A has to answer with what it has within its time, each has to be told less than the one before, and the work has to stop
everywhere. Times of the members are of the same clock as ours.
"""
import json
import time

from .members import Members
from .report import quantile
from .site import Site

ROUNDS = 20
LONGEST = 2


def run(report, options):
    with Members(3) as members:
        members.set("hang")
        with Site(options, members.section(of=[2]), deadline=LONGEST) as c:
            with Site(options, chained(members, 1, c), deadline=LONGEST) as b:
                with Site(options, chained(members, 0, b), deadline=LONGEST) as a:
                    rounds(report, members, a)
                    forged(report, members, a)


def chained(members, witness, after):
    return f"[@members]\nmembers = {members.node(witness)}, 127.0.0.1:{after.port}"


def rounds(report, members, a):
    took, stopped, partial, shrinking = [], [], 0, 0
    for turn in range(ROUNDS + 2):
        members.zero()
        began = time.monotonic()
        code, body, seconds = a.get("/chain?cluster=members/rpc2", {"X-Request-Timeout-Ms": "500"})
        time.sleep(0.1)
        if turn < 2:
            # The first connections, and the clients' own.
            continue
        took.append(seconds * 1000)
        told = members.tell()
        stopped.append(max((one["lost_at"] or began + 60) - began for one in told) * 1000)
        partial += code == 200 and json.loads(body) == ["deadline", "partial"]
        budgets = [one["budget"] or 0 for one in told]
        shrinking += 500 > budgets[0] > budgets[1] > budgets[2] > 0
    report.note(f"{ROUNDS} rounds; the last one's budgets {budgets} ms")
    report.bound("A's answer, the slowest of them", max(took), 500.0, "ms")
    report.bound("A's answer, the median", quantile(took, 0.5), 500.0, "ms")
    report.holds("every answer has what came in time: the own member's deadline, B's answer and that it is partial", partial == ROUNDS,
                 f"{partial} of {ROUNDS}")
    report.holds("A, B and C are told less and less", shrinking == ROUNDS, f"{shrinking} of {ROUNDS}")
    report.bound("the last member is let go, the slowest of them", max(stopped), 520.0, "ms")


def forged(report, members, a):
    members.zero()
    began = time.monotonic()
    _, _, seconds = a.get("/chain?cluster=members/rpc2", {"X-Request-Timeout-Ms": "3600000"})
    time.sleep(0.2)
    lost = max((one["lost_at"] or began + 60) - began for one in members.tell())
    report.bound(f"a header of an hour, where {LONGEST} s are configured", max(seconds, lost), LONGEST * 1.02, "s")
