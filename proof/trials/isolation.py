"""One cluster hangs under ten times what it can hold, while another route goes on.

Two connections for the one worker and ten callers that wait for each make 22; 220 requests are kept under way. The other
route is measured in turns, alone and beside, so that the noise of the machine meets both.
"""
import asyncio
import time

from .load import Connection, driven, took_ms
from .members import Members
from .report import quantile
from .site import Site

CAPACITY = 22
BESIDE = 100
# Between two tries of a client that was refused: it was told to wait a second.
PAUSE = 1.0


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
    alone = await other_route(site, 10)
    members.set("hang", 0)
    refused, codes, ending = [], {}, asyncio.Event()
    clients = [asyncio.ensure_future(client(site, refused, codes, ending)) for _ in range(CAPACITY * 10)]
    await asyncio.sleep(3)
    refused.clear()
    memory, beside, end = [site.memory()], [], time.monotonic() + seconds
    while time.monotonic() < end:
        beside += await other_route(site, min(10, max(1, end - time.monotonic())))
        memory.append(site.memory())
    during = dict(codes)
    codes.clear()
    members.set("pass", 0)
    recovery = await recovered(site)
    after = await other_route(site, 5)
    ending.set()
    await asyncio.gather(*clients)
    p99 = [quantile(times, 0.99) for times in (alone, beside, after)]
    half = len(memory) // 2
    report.note(f"{seconds:.0f} s; the other route's p99: alone {p99[0]:.1f} ms ({len(alone)} requests), beside {p99[1]:.1f} "
                f"({len(beside)}), after {p99[2]:.1f}; p50 {quantile(alone, 0.5):.1f}, {quantile(beside, 0.5):.1f}, {quantile(after, 0.5):.1f}")
    report.note(f"the hung route: codes {during}, refusals p50 {quantile(refused, 0.5):.1f} ms; then {codes}")
    report.note(f"memory {memory[0]:.1f} MiB when full, {max(memory):.1f} at most, {memory[-1]:.1f} at the end")
    report.bound("the other route's p99, beside the hang", p99[1] / p99[0], 2.0, "×")
    report.bound("refused with 503 and Retry-After: p99", quantile(refused, 0.99), 50.0, "ms")
    report.holds("nothing but 503 while it hangs", set(during) <= {"503 retry-after"}, sorted(during))
    report.bound("memory, from when it was full to its most", max(memory) - memory[0], 8.0, "MiB")
    report.bound("memory, second half's most above first half's", max(memory[half:]) - max(memory[:half]), 2.0, "MiB")
    report.bound("the hung route answers within 50 ms again", recovery, 5.0, "s")
    report.bound("the other route's p99, after", p99[2] / p99[0], 2.0, "×")


async def client(site, refused, codes, ending):
    connection = Connection(site.port)
    while not ending.is_set():
        began = time.monotonic()
        try:
            code, _, head = await connection.ask("/full?cluster=members/rpc2")
        except (OSError, EOFError) as error:
            connection.close()
            code, head = repr(error), ""
        what = f"{code} retry-after" if "\r\nretry-after:" in head else str(code)
        # One that waited for a connection until its own time was over is no refusal at the door.
        took = time.monotonic() - began
        if code == 503 and took < 5:
            refused.append(took * 1000)
        codes[what] = codes.get(what, 0) + 1
        await asyncio.sleep(PAUSE)
    connection.close()


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
