"""Ten members of which 5 in 100 answers stall for a second: second and third requests, and what they cost.

`balance = p2c`, so that the choice does not run away from stalls and the hedge alone is seen.
"""
from .load import drive, errors, took_ms
from .members import Members
from .report import quantile
from .site import Site

RATE = 200
SECONDS = 15
# With hedges longer: of 3 000 requests p99.9 is the third, and the stalls alone are 5 % ± 0.4.
HEDGED_SECONDS = 45


def run(report, options):
    p99 = stalls(report, options, hedge=False)
    report.bound("without hedges: p99", p99, 900.0, "ms", at_least=True)
    p99 = stalls(report, options, hedge=True)
    report.bound("with hedges: p99", p99, 150.0, "ms")
    failing(report, options)
    once(report, options)


def stalls(report, options, hedge):
    keys = ("balance = p2c", f"hedge = {'yes' if hedge else 'no'}")
    with Members(10) as members, Site(options, members.section("members", *keys)) as site:
        path = lambda nth: f"/one?cluster=members&id={nth}"
        members.set("latency 5")
        drive(site, path, RATE, 3)
        members.set("latency 5 stall 5 1000")
        drive(site, path, RATE, 3)
        members.zero()
        ended = drive(site, path, RATE, HEDGED_SECONDS if hedge else SECONDS)
        extra = 100.0 * (members.sums()["requests"] - len(ended)) / len(ended)
        times = took_ms(ended)
        report.note(f"hedge {'on' if hedge else 'off'}: {len(ended)} requests, p50 {quantile(times, 0.5):.0f}, p95 {quantile(times, 0.95):.0f}, "
                    f"p99 {quantile(times, 0.99):.0f}, p99.9 {quantile(times, 0.999):.0f} ms, {len(errors(ended))} errors")
        if hedge:
            report.bound("with hedges: extra requests", extra, 6.0, "%")
            report.bound("with hedges: errors", len(errors(ended)), 0)
            report.bound("with hedges: p99.9", quantile(times, 0.999), 250.0, "ms")
            counted = members.counted()
            most = max(counted) * len(counted) / sum(counted)
            report.bound("with hedges: the most that one member got, beside the mean", most, 1.5, "×")
        return quantile(times, 0.99)


def failing(report, options):
    keys = ("hedge = yes", "retries = 9", "max_ejected = 0")
    with Members(10) as members, Site(options, members.section("members", *keys)) as site:
        members.set("error 500")
        ended = drive(site, lambda nth: f"/one?cluster=members&id={nth}", RATE, 10)
        seconds = max(one.at + one.took for one in ended)
        extra = members.sums()["requests"] - len(ended)
        report.bound(f"all members fail: extra requests of {len(ended)} in {seconds:.0f} s, a fifth and 10 a second", extra,
                     len(ended) // 5 + 10 * (int(seconds) + 1))


def once(report, options):
    keys = ("hedge = yes", "retries = 3", "max_ejected = 0", "member_timeout = 500ms")
    with Members(4) as members, Site(options, members.section("members", *keys)) as site:
        path = lambda nth: f"/one?cluster=members&way=call&id={nth}"
        drive(site, path, RATE, 2)
        members.set("reset", 0)
        members.set("stall 50 600", 1)
        members.set("error 503", 2)
        members.zero()
        ended = drive(site, path, RATE, 10)
        sums = members.sums()
        report.note(f"not idempotent, three of four members failing: {len(ended)} calls, {sums['requests']} requests seen, "
                    f"{len(errors(ended))} errors")
        report.bound("a call that is not idempotent: the most often one was seen", sums["most"], 1)
