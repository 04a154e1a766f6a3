"""Reloads, upgrades and kills of a site under load: what its clients see of them."""
import re
import statistics
import time
from pathlib import Path

from .instance import Control, Instance, kill, memory
from .visitors import CUT, FEW, Streams, Visitors

RELOADS, UPGRADES, KILLS = 20, 5, 5
# A stream that is longer than the drain may be, and that drain, in seconds.
ENDLESS, DRAIN = 60, 5
# MiB that a supervisor may have.
SUPERVISOR = 8
GENERATIONS = 3
# A generation must have answered so often.
SOME = 5
DRAINED = re.compile(r"drained in (\d+\.\d+) s; (nothing was cut|cut at .*)")
DONE = re.compile(r"(reload|upgrade) done in ([0-9.]+)(ms|s|µs)")


def named(nths, count):
    """Reloads and upgrades in their order: every fifth is an upgrade."""
    return ["upgrade" if nth % 5 == 4 else "reload" for nth in range(nths)][:count]


def rolls(report, options, door="tcp", processes=1):
    """64 kept, 16 anew, 10 streams of 20 s, through 20 reloads and 5 upgrades."""
    with Instance(options.program, door, processes, keys=["drain_timeout = 30"]) as site:
        rolled(report, options, site, processes)


def control(report, options):
    """The same against a site that closes its listener for 50 ms at each of them: (a) must be missed."""
    missed = Told(report)
    with Control(options.program, keys=["drain_timeout = 30"]) as site:
        rolled(missed, options, site, 1)
        report.note(f"nobody listened for {statistics.median(site.closed) * 1000:.0f} ms each time, in the median: the 50, and the start")
    for line in missed.missed:
        report.note(f"missed, as it has to be: {line}")
    report.holds("it is seen that requests fail", any("failed requests" in line for line in missed.missed))
    report.holds("it is seen that connections are refused", any("refused" in line for line in missed.missed))
    report.holds("nothing else is missed: the drain of such a site is the same",
                 all(re.search("failed requests|refused|reset|answers of the client", line) for line in missed.missed))


class Told:
    """A report of which only the misses are kept, for who has to see them."""

    def __init__(self, report):
        self.note, self.missed = report.note, []

    def bound(self, what, figure, limit, unit="", at_least=False):
        self.holds(f"{what}: {figure} {unit}, {'≥' if at_least else '≤'} {limit}", figure >= limit if at_least else figure <= limit)

    def holds(self, what, is_so, found=""):
        if not is_so:
            self.missed.append(f"{what} {found}".strip())


def rolled(report, options, site, processes):
    is_control, seen, most, took = isinstance(site, Control), {}, 0, []
    count = (2 + 1 if options.quick else RELOADS + UPGRADES)
    words = ["reload", "reload", "upgrade"] if options.quick else named(count, count)
    supervisor = None if is_control else site.child.pid
    with Visitors(site.port) as visitors:
        # Everybody has asked once before the first.
        time.sleep(2)
        seen.update(dict.fromkeys(site.serving(), 0))
        begun = time.monotonic()
        for nth, word in enumerate(words, 1):
            told = getattr(site, word)()
            if told.code:
                report.holds(f"{word} {nth} is done", False, told.text.strip())
                break
            took.append(told.took)
            if not is_control:
                status = site.status()
                most = max(most, len({one["generation"] for one in status["processes"]}))
            seen.update(dict.fromkeys(site.serving(), nth))
        over = time.monotonic()
        time.sleep(2)
        if not is_control:
            weighed(report, supervisor, site.serving()[0])
        visitors.end()
        if not is_control:
            site.until(lambda: len(site.status()["processes"]) == processes, "those that left have ended")
    report.note(f"{len(words)} replacements in {over - begun:.0f} s, one as soon as the last was done: median {statistics.median(took):.2f} s, "
                f"longest {max(took):.2f} s, the wait for an older generation included")
    visitors.report_answers(report)
    lost(report, visitors)
    busy = [one for one in visitors.ended if one.rested < 0.5]
    report.note(f"kept connections that ended without an octet at rest: {len(visitors.ended)}, after a rest of "
                f"{min((one.rested for one in visitors.ended), default=0):.2f} s and more; of these {sum(one.kind == 'crossed' for one in visitors.ended)} crossed a request")
    report.bound("of these, of clients that had hardly rested (0.5 s)", len(busy), 0)
    streams = visitors.streams.read
    report.bound("streams of 20 s that came whole", sum(one.is_whole for one in streams), 10, at_least=True)
    report.bound("streams that did not", sum(not one.is_whole for one in streams), 0)
    if not is_control:
        outlived = [one for one in streams if one.pid in seen and one.pid not in site.serving()]
        report.bound("streams of processes that were asked to leave meanwhile", len(outlived), 10, at_least=True)
        answered = visitors.by_process()
        fewest = min(answered[pid] for pid in seen)
        report.bound("processes that served", len(seen), processes * (len(words) + 1), at_least=True)
        report.bound("good answers of the one that had fewest", fewest, SOME, at_least=True)
        report.bound("good answers of processes that nobody saw serve", sum(answered.values()) - sum(answered[pid] for pid in seen), 0)
        report.bound("generations at a time", most, GENERATIONS)
        said = site.said()
        report.note(f"the log says {said.count('waits until an older generation')} times that one waits for an older generation to end, and "
                    f"{said.count('has taken over')} times that a new program has taken over")
        report.bound("upgrades in which the supervisor became the new file", said.count("has taken over"), words.count("upgrade"), at_least=True)
        report.holds("the supervisor is the same process", site.status()["pid"] == supervisor)
        drains = DRAINED.findall(said)
        report.bound("drains that were told", len(drains), processes * len(words), at_least=True)
        report.bound("drains that cut something", sum(what != "nothing was cut" for _, what in drains), 0)


def lost(report, visitors):
    for one in visitors.failed[:5]:
        report.note(one.shown())
    report.bound("failed requests, of all kinds", visitors.failures(), 0)
    report.bound("refused connections", visitors.failures("refused"), 0)
    report.bound("resets", visitors.failures("reset"), 0)


def weighed(report, supervisor, process):
    for name, pid, limit in (("supervisor", supervisor, SUPERVISOR), ("process", process, None)):
        share, own, whole = memory(pid)
        if limit:
            report.bound(f"memory of the {name} under load: its share of all (PSS)", share, float(limit), "MiB")
            report.bound("its own alone (USS)", own, float(limit), "MiB")
        else:
            report.note(f"memory of a {name} beside it: PSS {share:.1f} MiB, USS {own:.1f}, RSS {whole:.1f}")


def cut(report, options):
    """A stream of 60 s with `drain_timeout = 5`: it is cut, counted and named."""
    with Instance(options.program, keys=[f"drain_timeout = {DRAIN}"]) as site, Visitors(site.port, 0, FEW) as visitors:
        streams = Streams(site.port, 1, ENDLESS)
        before = site.serving()
        streams.begin()
        streams.over.set()
        time.sleep(2)
        told, asked = site.reload(), time.monotonic()
        report.holds("the reload is done", told.code == 0, told.text.strip()[:60])
        streams.end()
        site.until(lambda: site.status()["processes"][0]["pid"] not in before, "the old one has ended")
        visitors.end()
        said, stream = site.said(), streams.read[0]
    report.holds("curl notices that the rest is missing", stream.code in CUT, f"exit code {stream.code}")
    report.bound("it is cut after the reload", stream.ended - asked, DRAIN - 0.5, "s", at_least=True)
    report.bound("it is cut after the reload", stream.ended - asked, DRAIN + 2.0, "s")
    for word in (r"cut at `drain_timeout`: GET /lasts, a stream for \d+\.\d s", r"cut at `drain_timeout`: 1 stream$",
                 r"process \d+ cut 1 at the end of its drain: GET /lasts, a stream"):
        line = re.search(word, said, re.M)
        report.holds(f"the log: {line[0][:90] if line else word}", bool(line))
    visitors.report_answers(report)
    lost(report, visitors)


def kills(report, options, processes=1):
    """5 kills -9 of a process that serves, in place of rolls: what is lost is what that process had."""
    rounds = []
    with Instance(options.program, processes=processes, keys=["drain_timeout = 30"]) as site:
        with Visitors(site.port, 5) as visitors:
            for _ in range(2 if options.quick else KILLS):
                time.sleep(3)
                before = site.serving()
                at, ports = kill(before[0], site.port)
                after = site.until(lambda: [pid for pid in serving_now(site) if pid not in before], "another serves")
                rounds.append((before[0], ports, at, time.monotonic() - at))
                seen = {*before, *after}
            time.sleep(3)
            seen |= {pid for pid, *_ in rounds} | set(site.serving())
            visitors.end()
        crash = site.status()["last_crash"]
    report.holds("the last crash is told", "SIGKILL" in crash, crash[:60])
    visitors.report_answers(report)
    answered = visitors.by_process()
    report.bound("good answers of the process that had fewest", min(answered[pid] for pid in seen), SOME, at_least=True)
    # Of each kill: what had begun there and had no answer; what was held there.
    accounted, connections = set(), set()
    for nth, (pid, ports, at, took) in enumerate(rounds, 1):
        streams = [one for one in visitors.streams.read if one.local in ports and one.began <= at < one.ended]
        under_way = [one for one in visitors.asked if one.local in ports and one.began <= at < one.ended]
        failed = {one for one in visitors.failed if one.local in ports and one.began <= at < one.ended}
        # A request that was sent when its connection was gone already, before its client had seen that.
        crossed = {one for one in visitors.failed if one.local in ports and at < one.began < at + took} - failed
        # Seen by their clients after a rest, which is shorter than the time to the next kill.
        until = rounds[nth][2] if nth < len(rounds) else float("inf")
        ended = {one for one in visitors.ended if one.local in ports and at < one.at < until}
        torn = [one for one in streams if not one.is_whole]
        report.note(f"kill {nth}, of {pid}, another serves after {took:.2f} s: {len(failed)} requests and {len(torn)} streams failed, "
                    f"{len(crossed)} more met their dead connection, {len(ended)} connections ended at rest")
        report.bound(f"kill {nth}: failures, of requests and streams in flight there", len(failed) + len(torn), len(under_way) + len(streams))
        lost_there = [one.local for one in (*failed, *crossed, *ended, *torn)]
        report.bound(f"kill {nth}: lost connections, of those it held", len(lost_there), len(ports))
        report.bound(f"kill {nth}: connections lost twice", len(lost_there) - len(set(lost_there)), 0)
        accounted |= failed | crossed
        connections |= ended | set(torn)
    strangers = [one for one in visitors.failed if one not in accounted]
    for one in strangers[:5]:
        report.note(one.shown())
    report.bound("failures that no kill accounts for", len(strangers), 0)
    report.bound("streams torn that no kill accounts for", sum(not one.is_whole and one not in connections for one in visitors.streams.read), 0)
    report.bound("refused connections", visitors.failures("refused", "no connection", "no answer"), 0)
    report.bound("failures in all, so that it was no empty trial", len(visitors.failed) + len(connections), 1, at_least=True)


def serving_now(site):
    return [one["pid"] for one in site.status()["processes"] if one["state"] == "serving"]


def figures(report, options):
    """Replacements one by one, each when the last has left: how long, how heavy."""
    count, took = 3 if options.quick else RELOADS, []
    with Instance(options.program, keys=["drain_timeout = 30"]) as site, Visitors(site.port, 0, FEW) as visitors:
        weighed(report, site.child.pid, site.serving()[0])
        for nth in range(count):
            told = site.reload()
            report.told(f"reload {nth + 1}", told.text.strip(), "", False) if told.code else took.append(told.took)
            site.until(lambda: len(site.status()["processes"]) == 1, "the old one has ended")
        upgrades = [site.upgrade() for _ in range(1 if options.quick else UPGRADES)]
        weighed(report, site.child.pid, site.serving()[0])
        visitors.end()
        said = site.said()
    told = [float(number) * {"s": 1000, "ms": 1, "µs": 0.001}[unit] for word, number, unit in DONE.findall(said) if word == "reload"]
    drains = [float(seconds) for seconds, _ in DRAINED.findall(said)]
    report.bound("reloads that were done", len(took), count, at_least=True)
    report.note(f"from the command to its end, `reload --wait`: median {statistics.median(took) * 1000:.0f} ms, worst {max(took) * 1000:.0f} of {count}")
    report.note(f"of that from the supervisor's beginning to the new process serving: median {statistics.median(told):.0f} ms, worst {max(told):.0f}")
    report.note(f"`upgrade --wait`: median {statistics.median(one.took for one in upgrades) * 1000:.0f} ms, worst {max(one.took for one in upgrades) * 1000:.0f}")
    report.bound("upgrades that were done", sum(one.code == 0 for one in upgrades), len(upgrades), at_least=True)
    report.note(f"drain beside {sum(count for _, count, _ in FEW.values())} kept clients: median {statistics.median(drains):.2f} s, worst {max(drains):.2f} of {len(drains)}")
    report.note(f"the program's file: {Path(options.program).stat().st_size / 2**20:.1f} MiB")
    visitors.report_answers(report)
    lost(report, visitors)
