"""Reloads, upgrades and kills of a site under load: what its clients see of them."""
import http.client
import re
import statistics
import time
from pathlib import Path

from .instance import Control, Instance, kill, memory
from .visitors import CUT, FEW, HARDLY, Streams, Visitors

RELOADS, UPGRADES, KILLS, GENERATIONS = 20, 5, 5, 3
# A stream that is longer than the drain may be, and that drain, in seconds.
ENDLESS, DRAIN = 60, 5
# MiB that a supervisor may have.
SUPERVISOR = 8.0
# Each process must have answered so often.
SOME = 5
# Seconds from there to the next replacement.
BETWEEN = 0.1
KEYS = ["drain_timeout = 30"]
DRAINED = re.compile(r"drained in (\d+\.\d+) s; (nothing was cut|cut at .*)")
DONE = re.compile(r"reload done in ([\d.]+) ?(s|ms|µs)")
# What a site must miss that refuses connections for a moment, and nothing else.
MISSED_BY_CONTROL = re.compile("failed requests|refused|resets")


def rolls(report, options, door="tcp", processes=1):
    """64 kept, 16 anew, 10 streams of 20 s, through 20 reloads and 5 upgrades."""
    with Instance(options.program, door, processes, keys=KEYS) as site:
        rolled(report, options, site, processes)


def control(report, options):
    """The same against a site that closes its listener for 50 ms at each of them: that must be seen."""
    missed = Missed(report)
    with Control(options.program, keys=KEYS) as site:
        rolled(missed, options, site, 1)
        closed = statistics.median(site.closed) * 1000
    report.note(f"nobody listened for {closed:.0f} ms each time, in the median: the 50, and the start")
    for line in missed.lines:
        report.note(f"missed, as it has to be: {line}")
    for what in ("failed requests", "refused"):
        report.holds(f"it misses the bound of: {what}", any(what in line for line in missed.lines))
    report.holds("and no others: its drain is the same", all(map(MISSED_BY_CONTROL.search, missed.lines)))


class Missed:
    """A report of which the misses alone are kept, for who has to see them."""

    def __init__(self, report):
        self.note, self.lines = report.note, []

    def bound(self, what, figure, limit, unit="", at_least=False):
        self.holds(f"{what}: {figure} {unit}".strip(), figure >= limit if at_least else figure <= limit)

    def holds(self, what, is_so, found=""):
        if not is_so:
            self.lines.append(f"{what} {found}".strip())


def rolled(report, options, site, processes):
    """Replaces the processes of a site under load, and reports what its clients saw."""
    is_supervised = not isinstance(site, Control)
    # Every fifth is an upgrade.
    words = ["reload", "reload", "upgrade"] if options.quick else \
        ["upgrade" if nth % 5 == 4 else "reload" for nth in range(RELOADS + UPGRADES)]
    supervisor, generations, most, took = site.child.pid, [], 0, []
    with Visitors(site.port) as visitors:
        # Everybody has asked before the first.
        time.sleep(2)
        generations.append(site.serving())
        begun = time.monotonic()
        for nth, word in enumerate(words, 1):
            told = getattr(site, word)()
            if told.code:
                report.holds(f"{word} {nth} is done", False, told.text.strip())
                break
            took.append(told.took)
            if is_supervised:
                most = max(most, len({one["generation"] for one in site.status()["processes"]}))
            generations.append(now := site.serving())
            # In ten milliseconds a process might be replaced before anybody has asked it.
            site.until(lambda: answering(site.port) in now, "a new connection is answered by a new process")
            time.sleep(BETWEEN)
        took_all = time.monotonic() - begun
        time.sleep(2)
        if is_supervised:
            weighed(report, "under load", supervisor, site.serving()[0])
        visitors.end()
        last = site.serving()
        if is_supervised:
            site.until(lambda: len(site.status()["processes"]) == processes, "those that left have ended")
    report.note(f"{len(words)} replacements in {took_all:.0f} s: median {statistics.median(took):.2f} s, longest "
                f"{max(took):.2f} s, waits for an older generation included")
    visitors.report_answers(report)
    lost(report, visitors)
    rests = [one.rested for one in visitors.ended]
    crossed = sum(one.kind == "crossed" for one in visitors.ended)
    report.note(f"kept connections that ended without an octet at rest: {len(rests)}, after rests of "
                f"{min(rests, default=0):.2f} s and more; {crossed} of them crossed a request")
    report.bound("of these, of clients that had hardly rested", sum(rest < HARDLY for rest in rests), 0)
    streams = visitors.streams.read
    report.bound("streams of 20 s that came whole", sum(one.is_whole for one in streams), 10, at_least=True)
    report.bound("streams that did not", sum(not one.is_whole for one in streams), 0)
    if is_supervised:
        served = {pid for pids in generations for pid in pids}
        outlived = sum(one.pid in served and one.pid not in last for one in streams)
        report.bound("streams of processes that left meanwhile", outlived, 10, at_least=True)
        by_supervisor(report, site, supervisor, visitors.by_process(), generations, most, processes, words)


def answering(port):
    """The process that answers on a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/pid")
    pid = int(connection.getresponse().read())
    connection.close()
    return pid


def by_supervisor(report, site, supervisor, answers, generations, most, processes, words):
    """What the supervisor did for it."""
    said, upgrades = site.said(), words.count("upgrade")
    served = {pid for pids in generations for pid in pids}
    report.bound("processes that served", len(served), processes * (len(words) + 1), at_least=True)
    # Of two that accept, the kernel chooses one: of a process that lived for some milliseconds that may be none.
    fewest = min(sum(answers[pid] for pid in pids) for pids in generations)
    report.bound("good answers of the generation that had fewest", fewest, SOME, at_least=True)
    strangers = sum(answers.values()) - sum(answers[pid] for pid in served)
    report.bound("good answers of processes that were never seen to serve", strangers, 0)
    report.bound("generations at a time", most, GENERATIONS)
    waits, taken_over = said.count("waits until an older generation"), said.count("has taken over")
    report.note(f"the log says {waits} times that a replacement waits until an older generation has ended")
    report.bound("upgrades in which the supervisor became the new file", taken_over, upgrades, at_least=True)
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


def weighed(report, when, supervisor, process):
    share, own, whole = memory(supervisor)
    report.bound(f"memory of the supervisor {when}: its share of all (PSS)", share, SUPERVISOR, "MiB")
    report.bound("what is its alone (USS)", own, SUPERVISOR, "MiB")
    beside = memory(process)
    report.note(f"all of it (RSS) {whole:.1f} MiB; a process beside it: PSS {beside[0]:.1f}, USS {beside[1]:.1f}, "
                f"RSS {beside[2]:.1f}")


def cut(report, options):
    """A stream of 60 s with `drain_timeout = 5`: it is cut, counted and named."""
    keys = [f"drain_timeout = {DRAIN}"]
    with Instance(options.program, keys=keys) as site, Visitors(site.port, 0, FEW) as visitors:
        streams = Streams(site.port, 1, ENDLESS)
        before = site.serving()
        streams.begin()
        streams.over.set()
        time.sleep(2)
        told, asked = site.reload(), time.monotonic()
        report.holds("the reload is done", told.code == 0, f"exit code {told.code}")
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
        report.holds(f"the log: {line[0] if line else word}"[:72], bool(line))
    visitors.report_answers(report)
    lost(report, visitors)


def kills(report, options, processes=1):
    """5 kills -9 of a process that serves, in place of rolls: what is lost is what that process had."""
    rounds, seen = [], set()
    with Instance(options.program, processes=processes, keys=KEYS) as site:
        with Visitors(site.port, 5) as visitors:
            for _ in range(2 if options.quick else KILLS):
                time.sleep(3)
                before = site.serving()
                at, ports, stood = kill(before[0], site.port)
                after = site.until(lambda: set(site.serving()) - set(before), "another serves")
                rounds.append((before[0], ports, at, time.monotonic() - at, stood))
                seen |= {*before, *after}
            time.sleep(3)
            visitors.end()
        crash = site.status()["last_crash"]
    report.holds("the last crash is told", "SIGKILL" in crash, crash.split(": ")[-1])
    visitors.report_answers(report)
    fewest = min(visitors.by_process()[pid] for pid in seen)
    report.bound("good answers of the process that had fewest", fewest, SOME, at_least=True)
    accounted = set()
    for nth, (pid, ports, at, took, stood) in enumerate(rounds, 1):
        until = rounds[nth][2] if nth < len(rounds) else float("inf")
        accounted |= killed(report, visitors, f"kill {nth}", ports, at, took, until)
        report.note(f"of process {pid}, which stood still for {stood * 1000:.0f} ms before; another served {took:.2f} "
                    "s after")
    torn = [one for one in visitors.streams.read if not one.is_whole]
    strangers = [one for one in (*visitors.failed, *torn) if one not in accounted]
    for one in strangers[:5]:
        report.note(str(one))
    report.bound("failures that no kill accounts for", len(strangers), 0)
    report.bound("refused or unanswered connections", visitors.failures("refused", "no "), 0)
    report.bound("failures in all, so that the trial is no empty one", len(accounted), 1, at_least=True)


def killed(report, visitors, name, ports, at, took, until):
    """What one kill cost, beside what the process had: the connections from these ports. Returns what failed by it."""
    under_way = [one for one in visitors.asked if one.local in ports and one.began <= at < one.ended]
    under_way += [one for one in visitors.streams.read if one.local in ports and one.began <= at < one.ended]
    failed = {one for one in visitors.failed if one.local in ports and one.began <= at < one.ended}
    torn = {one for one in visitors.streams.read if one in under_way and not one.is_whole}
    # A request whose connection was gone when it was sent, before its client had seen that; it was in flight nowhere.
    late = {one for one in visitors.failed if one.local in ports and at < one.began < at + took}
    # Seen after a rest, which is shorter than the time to the next kill.
    ended = {one for one in visitors.ended if one.local in ports and at < one.at < until}
    report.note(f"{name}: {len(failed)} requests and {len(torn)} streams failed, {len(late)} more met a connection "
                f"that was gone, {len(ended)} connections ended at rest")
    report.bound(f"{name}: failures, of requests and streams in flight there", len(failed | torn), len(under_way))
    gone = [one.local for one in (*failed, *torn, *late, *ended)]
    report.bound(f"{name}: lost connections, of those it held", len(gone), len(ports))
    report.bound(f"{name}: connections that were lost twice", len(gone) - len(set(gone)), 0)
    return failed | torn | late


def figures(report, options):
    """Replacements one by one, each when the last has left: how long, how heavy."""
    reloads, upgrades = [], []
    with Instance(options.program, keys=KEYS) as site, Visitors(site.port, 0, FEW) as visitors:
        weighed(report, "after the start", site.child.pid, site.serving()[0])
        for word, done, count in (("reload", reloads, RELOADS), ("upgrade", upgrades, UPGRADES)):
            for _ in range(2 if options.quick else count):
                done.append(getattr(site, word)())
                site.until(lambda: len(site.status()["processes"]) == 1, "the old one has ended")
        weighed(report, "after all", site.child.pid, site.serving()[0])
        visitors.end()
        said = site.said()
    own = [float(number) * {"s": 1000, "ms": 1, "µs": 0.001}[unit] for number, unit in DONE.findall(said)]
    told(report, "`reload --wait`, from the command to its end", [one.took * 1000 for one in reloads], "ms")
    told(report, "of that, from the supervisor's beginning to the new process serving", own, "ms")
    told(report, "`upgrade --wait`", [one.took * 1000 for one in upgrades], "ms")
    told(report, f"drain, beside {FEW['http.client, kept'][1]} kept clients",
         [float(seconds) * 1000 for seconds, _ in DRAINED.findall(said)], "ms")
    report.note(f"the program's file has {Path(options.program).stat().st_size / 2**20:.1f} MiB")
    report.bound("replacements that failed", sum(one.code != 0 for one in reloads + upgrades), 0)
    visitors.report_answers(report)
    lost(report, visitors)


def told(report, what, figures, unit):
    report.note(f"{what}: median {statistics.median(figures):.0f} {unit}, worst {max(figures):.0f} of {len(figures)}")
