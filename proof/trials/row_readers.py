"""Ten readers of a row stream that rest: statements of others go on, and the clock ends the readers.

A stream of rows holds its connection to the database until its client has read them. Ten clients ask for endless rows and
read nothing; another route asks the same database meanwhile. When `send_timeout` is over the readers must be gone and their
statements with them.
"""
import subprocess
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rig.postgres import PASSWORD, Keeper

from .attacks import CLOCKS, SLACK, clocks, get
from .beside import Attackers
from .report import ROOT, quantile
from .site import Site
from .watch import Watch

READERS = 10
CONNECTIONS = 10
OTHERS = 4
WITHIN = 1.0
# In the list of the SELECT: behind FROM, PostgreSQL makes all of them before it sends the first.
ENDLESS = "SELECT generate_series(1::bigint, 1000000000) AS id, repeat('x', 1000) AS text"
ROWS = "/rows?" + urllib.parse.urlencode({"cluster": "db", "sql": ENDLESS})
STATEMENT = "/every?cluster=db"
RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT generate_series%' AND state = 'active'"
# As /proc/net/tcp has them.
ESTABLISHED, CLOSE_WAIT = "01", "08"
MISSED_WITHOUT = ["other statements answered 200 within", "readers and their statements ended"]


class Database(Keeper):
    def running(self):
        """Streams that have a connection of the database."""
        return int(self.psql("postgres", RUNNING, "", "-A", "-t", stdout=subprocess.PIPE).stdout)

    def section(self):
        return (f"[@db]\ntype = postgresql\nconnections = {CONNECTIONS}\nmember_timeout = 20s\n"
                f"members = 127.0.0.1:{self.port}/postgres/skitai/{PASSWORD}")


def run(report, options):
    database = Database(ROOT)
    try:
        with Site(options, database.section(), keys=clocks(options)) as site, Watch(site) as watch:
            alone = [asked(site, STATEMENT) for _ in range(20)]
            if wrong := [answer for answer in alone if answer[0] != 200]:
                raise RuntimeError(f"{STATEMENT}: {wrong[0]}")
            tried(report, options, database, watch, [took for *_, took in alone])
    finally:
        database.stop()


def tried(report, options, database, watch, alone):
    site, clock = watch.site, CLOCKS["send_timeout"]
    idle = watch.memory
    with Attackers(site.port, READERS, {"first": get(ROWS), "window": 2048}) as readers, ThreadPoolExecutor(OTHERS) as pool:
        placed = readers.in_place()
        streams = database.running()
        # Of everybody who asks while they rest, until the clock is about to end them.
        began, answers = time.monotonic(), []
        while time.monotonic() < began + clock - 1:
            answers += pool.map(lambda _: asked(site, STATEMENT), range(OTHERS))
        meanwhile = database.running()
        since = placed["in_place"]
        ended = watch.waits(lambda: not established(site.port) and not database.running(), since + clock + SLACK + 1)
        streaming = database.running()
        again = list(pool.map(lambda _: asked(site, STATEMENT), range(2 * CONNECTIONS)))
        told = readers.end()
    is_right = [code == 200 and '"ok"' in body for code, body, _ in answers]
    in_time = sum(right and took <= WITHIN for right, (*_, took) in zip(is_right, answers))
    others = sorted({f"{code} {body[:90]}" for code, body, _ in answers if code != 200})
    report.note(f"a statement alone: p50 {quantile(alone, 0.5) * 1000:.1f} ms; beside the readers: p50 "
                f"{quantile([took for *_, took in answers], 0.5) * 1000:.1f} ms, slowest "
                f"{max(took for *_, took in answers) * 1000:.0f}; {', '.join(others) or 'no other answers'}")
    report.bound("readers connected", told["connected"], READERS, at_least=True)
    report.bound("streams that hold a connection to the database", streams, CONNECTIONS // 2 - 1, at_least=True)
    if not options.control:
        report.bound("streams that hold one, at most (half of them)", meanwhile, CONNECTIONS // 2)
    report.bound("statements asked beside them", len(answers), OTHERS, at_least=True)
    report.bound(f"other statements answered 200 within {WITHIN:.0f} s", in_time, len(answers), at_least=True)
    took = f"{ended - since:.1f} s" if ended else f"{streaming} stream on"
    report.told("readers and their statements ended (send_timeout)", took, f"≤ {clock} s + {SLACK} s",
                bool(ended) and ended - since <= clock + SLACK)
    report.bound("afterwards as many statements as twice the connections, right",
                 sum(code == 200 and '"ok"' in body for code, body, _ in again), len(again), at_least=True)
    report.bound("memory at the peak, above idle", watch.peak - idle, 16.0, "MiB")


def established(port):
    """Connections that the server has not ended, by the kernel's word. Descriptors say less here: those to the database
    stay, and there are more of them than before."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(one[1].endswith(f":{port:04X}") and one[3] in (ESTABLISHED, CLOSE_WAIT) for one in fields)


def asked(site, path):
    try:
        return site.get(path)
    except OSError as error:
        return 0, repr(error), float("inf")
