"""One cluster hangs under ten times what it can hold, while another route goes on.

Two connections for the one thread and ten callers that wait for each make 22; 220 clients ask, each again a second after
its refusal. They are a process of their own, so that the one that measures the other route does nothing else.
"""
import asyncio
import collections
import multiprocessing
import random
import time

from .load import Connection, driven, took_ms
from .members import Members
from .report import quantile
from .site import Site

CAPACITY = 22
BESIDE = 100
# Between two tries of a client that was refused: it was told to wait a second.
PAUSE = 1.0
# A refusal is quick; whoever is let in waits for 20 s.
WAITED = 5.0
LATE = "late"


def run(report, options):
    keys = ("connections = 2", "member_timeout = 60")
    with Members(2) as members:
        sections = (members.section("members", *keys, of=[0]), members.section("others", of=[1]))
        with Site(options, *sections, threads=1, deadline=60) as site:
            asyncio.run(hanging(report, members, site, options.minutes * 60))


async def other_route(site, seconds):
    """A route that asks another cluster."""
    return took_ms(await driven(site, lambda nth: f"/one?cluster=others&id={nth}", BESIDE, seconds))


async def hanging(report, members, site, seconds):
    alone = await other_route(site, 20)
    members.set("hang", 0)
    flood = Flood(site.port)
    await asyncio.sleep(3)
    flood.turn()
    memory, beside, end = [site.memory()], [], time.monotonic() + seconds
    while time.monotonic() < end:
        beside += await other_route(site, min(10, max(1, end - time.monotonic())))
        memory.append(site.memory())
    refused, held, late = flood.turn()
    members.set("pass", 0)
    recovery = await recovered(site)
    after = await other_route(site, 10)
    flood.end()
    p99 = [quantile(times, 0.99) for times in (alone, beside, after)]
    times = [took * 1000 for _, took in refused]
    half = len(memory) // 2
    report.note(f"{seconds:.0f} s; the other route's p99: alone {p99[0]:.1f} ms ({len(alone)} requests), beside {p99[1]:.1f} "
                f"({len(beside)}), after {p99[2]:.1f}; p50 {quantile(alone, 0.5):.1f}, {quantile(beside, 0.5):.1f}, "
                f"{quantile(after, 0.5):.1f}")
    report.note(f"the hung route: {counted(refused)} at once, p50 {quantile(times, 0.5):.1f} ms; "
                f"{counted(held)} of those that were let in, when their 20 s were over")
    report.note(f"the clients' own delay before they asked: p50 {quantile(late, 0.5):.1f}, p99 {quantile(late, 0.99):.1f} ms: "
                "what the machine and the load cost, not the program")
    report.note(f"memory {memory[0]:.1f} MiB when full, {max(memory):.1f} at most, {memory[-1]:.1f} at the end")
    report.bound("the other route's p99, beside the hang", p99[1] / p99[0], 2.0, "×")
    report.bound("refused: p99", quantile(times, 0.99), 50.0, "ms")
    report.holds("each of them with 503 and Retry-After", set(counted(refused)) == {"503 retry-after"})
    report.bound("memory, from when it was full to its most", max(memory) - memory[0], 8.0, "MiB")
    report.bound("memory, second half's most above first half's", max(memory[half:]) - max(memory[:half]), 2.0, "MiB")
    report.bound("the hung route answers within 50 ms again", recovery, 5.0, "s")
    report.bound("the other route's p99, after", p99[2] / p99[0], 2.0, "×")


def counted(answers):
    return dict(collections.Counter(what for what, _ in answers))


class Flood:
    """The clients of the hung route, in their own process."""

    def __init__(self, port):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=lambda: asyncio.run(flood(port, theirs)), daemon=True)
        self.process.start()

    def turn(self):
        """What came since the last turn: (answer, seconds) of the quick ones, and of those that had waited; by how many
        milliseconds the clients woke too late for their next try."""
        self.pipe.send("turn")
        told = self.pipe.recv()
        answers = [one for one in told if one[0] != LATE]
        late = [seconds * 1000 for what, seconds in told if what == LATE]
        return [one for one in answers if one[1] < WAITED], [one for one in answers if one[1] >= WAITED], late

    def end(self):
        self.process.terminate()
        self.process.join()


async def flood(port, pipe):
    answers = []
    clients = [asyncio.ensure_future(client(port, answers)) for _ in range(CAPACITY * 10)]
    while clients:
        # On a thread: the clients go on meanwhile.
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        pipe.send(answers)
        answers.clear()


async def client(port, answers):
    connection = Connection(port)
    # Not all at the same moment.
    await asyncio.sleep(random.random() * PAUSE)
    while True:
        began = time.monotonic()
        try:
            code, _, head = await connection.ask("/full?cluster=members/rpc2")
        except (OSError, EOFError) as error:
            connection.close()
            code, head = repr(error), ""
        what = f"{code} retry-after" if "\r\nretry-after:" in head else str(code)
        ended = time.monotonic()
        answers.append((what, ended - began))
        await asyncio.sleep(PAUSE)
        answers.append((LATE, time.monotonic() - ended - PAUSE))


async def recovered(site):
    """Seconds until ten answers in a row are good and quick."""
    began, good, connection = time.monotonic(), 0, Connection(site.port)
    since = began
    while good < 10 and time.monotonic() < began + 30:
        asked = time.monotonic()
        code, _, _ = await connection.ask("/full?cluster=members/rpc2")
        if code == 200 and time.monotonic() - asked < 0.05:
            good += 1
        else:
            good, since = 0, time.monotonic()
            await asyncio.sleep(0.05)
    connection.close()
    return since - began
