"""The comparison: rounds in which every program has its turn under load, and the table that comes of them."""
import os
import re
import statistics
import subprocess
import sys
from typing import Callable, NamedTuple, Optional

from . import visit
from .calls import ADD_JSON, ADD_XML

# Seconds of load that are not counted, once per program: connections are made, caches are filled.
WARM_UP = 1
# Rounds after which all programs are started anew. Where a process lies in memory is luck, and worth a few percent in either
# direction for as long as it lives.
RENEW = 5


class Load(NamedTuple):
    """One program under one kind of request."""
    name: str
    process: Callable
    path: Callable
    # For wrk: a text, or what makes one for a process.
    script: str | Callable = ""
    # Requests under way at once.
    connections: int = 64
    # Where the cost of a request is told by the member.
    members: int = 1


class Row(NamedTuple):
    name: str
    load: Load
    base: Load
    bound: Optional[float]


BARE = Load("bare actix-web hello", lambda scene: scene.bare, lambda scene: "/hello")
HELLO = Load("hello", lambda scene: scene.server, lambda scene: "/hello")
LOG = Load("hello with access log", lambda scene: scene.logging, lambda scene: "/hello")
XML_ADD = Load("add over XML-RPC", lambda scene: scene.server, lambda scene: ADD_XML.path, ADD_XML.script())
JSON_ADD = Load("add over JSON-RPC", lambda scene: scene.server, lambda scene: ADD_JSON.path, ADD_JSON.script())
XML_READ = Load("actix-web reads the XML", lambda scene: scene.bare, lambda scene: ADD_XML.path, ADD_XML.script())
JSON_READ = Load("actix-web reads the JSON", lambda scene: scene.bare, lambda scene: ADD_JSON.path, ADD_JSON.script())
LEAN = Load("lean awc fan-out", lambda scene: scene.lean, lambda scene: scene.search)
MAP = Load("map over 3 XML-RPC members", lambda scene: scene.server, lambda scene: scene.search)
LEAN20 = Load("lean awc fan-out to 20", lambda scene: scene.lean20, lambda scene: scene.search)
MAP20 = Load("map over 20 XML-RPC members", lambda scene: scene.server20, lambda scene: scene.search)
# What a member costs in a crowd: with about as many member calls under way at once at each width, so that what differs is the
# width and not how many sockets and futures lie cold.
WIDE = {count: Load(f"map over {count}, each member", lambda scene, count=count: scene.wide[count],
                    lambda scene: scene.search, connections=at_once, members=count)
        for count, at_once in ((10, 64), (300, 2), (1000, 1))}
POOL = Load("deadpool fan-out", lambda scene: scene.pool, lambda scene: scene.cities)
DMAP = Load("dmap over 3 PostgreSQL", lambda scene: scene.server, lambda scene: scene.cities)
PIPELINED = Load("pipelined dmap over 3", lambda scene: scene.pipelining, lambda scene: scene.cities)
SHARED = Load("hand-written pipelining", lambda scene: scene.pipelined, lambda scene: scene.cities)
ORDER = Load("path, session", lambda scene: scene.orders, lambda scene: visit.ORDER, visit.script)
BARE_ORDER = Load("actix-web, actix-session", lambda scene: scene.bare_orders, lambda scene: visit.ORDER, visit.script)
ASYNCPG = Load("Python, asyncpg gather", lambda scene: scene.asyncpg, lambda scene: scene.cities)
PLPROXY = Load("PL/Proxy and its server", lambda scene: scene.plproxy, lambda scene: scene.cities)

ROWS = {
    "hello": Row("hello / bare actix-web", HELLO, BARE, 1.15),
    "log": Row("hello with access log / bare actix-web", LOG, BARE, None),
    "add": Row("add over XML-RPC / bare actix-web", XML_ADD, BARE, 1.4),
    "json": Row("add over JSON-RPC / bare actix-web", JSON_ADD, BARE, 1.3),
    # What of that is the body's, which nobody looks at here.
    "addread": Row("  actix-web reads and answers it, no more", XML_READ, BARE, None),
    "jsonread": Row("  actix-web reads and answers it, no more", JSON_READ, BARE, None),
    "session": Row("arguments, session / actix-session", ORDER, BARE_ORDER, 1.5),
    "map": Row("map over 3 / lean awc fan-out", MAP, LEAN, 0.9),
    "map20": Row("map over 20 / lean awc fan-out to 20", MAP20, LEAN20, 0.75),
    "wide300": Row("a member of 300 / a member of 10", WIDE[300], WIDE[10], 1.15),
    "wide1000": Row("a member of 1000 / a member of 10", WIDE[1000], WIDE[10], 1.15),
    "dmap": Row("dmap over 3 / deadpool fan-out", DMAP, POOL, 1.15),
    "pipelined": Row("pipelined dmap / hand-written pipelining", PIPELINED, SHARED, 1.15),
    "asyncpg": Row("pipelined dmap / asyncpg gather", PIPELINED, ASYNCPG, None),
    "plproxy": Row("pipelined dmap / PL/Proxy", PIPELINED, PLPROXY, None),
}




def against(load, site, bound):
    """The same load on another build of the demo."""
    other = load._replace(name=f"{load.name}, other build"[:27], process=lambda scene: scene.others[site])
    return Row(f"{load.name} / the other build", load, other, bound)


AGAINST = {
    "hello": against(HELLO, "server", 1.05),
    "add": against(XML_ADD, "server", 1.03),
    "json": against(JSON_ADD, "server", 1.03),
    "map": against(MAP, "server", 1.03),
    "map20": against(MAP20, "server20", 1.03),
    "dmap": against(DMAP, "server", 1.03),
    "pipelined": against(PIPELINED, "pipelining", 1.03),
}


class Figures(NamedTuple):
    micros: float
    rate: float
    p50: str
    p99: str


def run(scene, rows, rounds, seconds):
    """Measures and prints; true when every bound is kept."""
    loads = list(dict.fromkeys(load for row in rows for load in (row.base, row.load)))
    taken, ratios = {load: [] for load in loads}, {row: [] for row in rows}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        if number % RENEW == 0:
            begin(scene, loads, anew=number > 0)
        for row in rows:
            # The two sides of a row one right after the other: a machine's speed changes within a minute. Every other round
            # the other side is first.
            pair = {}
            for load in (row.base, row.load) if number % 2 == 0 else (row.load, row.base):
                pair[load] = measure(scene, load, seconds)
                taken[load].append(pair[load])
            ratios[row].append(pair[row.load].micros / pair[row.base].micros)
    print(f"{'':28}{'CPU µs/request':>15}{'requests/s':>12}{'p50':>10}{'p99':>10}")
    for load in loads:
        micros, rate = (statistics.median(column) for column in list(zip(*taken[load]))[:2])
        middle = sorted(taken[load], key=lambda figures: figures.micros)[len(taken[load]) // 2]
        print(f"{load.name:28}{micros:15.2f}{rate:12.0f}{middle.p50:>10}{middle.p99:>10}")
    print(f"\n{'':42}{'ratio':>7}{'of the rounds':>16}{'bound':>8}")
    return all([verdict(row.name, ratios[row], row.bound) for row in rows])


def begin(scene, loads, anew):
    if anew:
        for process in {id(process): process for process in (load.process(scene) for load in loads)}.values():
            process.restart()
    for load in loads:
        measure(scene, load, WARM_UP)


def verdict(name, ratios, bound):
    """The ratio of a row: the median of those of its rounds, each of which saw the machine in one mood."""
    ratio = statistics.median(ratios)
    kept = bound is None or round(ratio, 2) <= bound
    said = f"{bound:8.2f}  {'kept' if kept else 'MISSED'}" if bound else f"{'–':>8}"
    print(f"{name:42}{ratio:7.2f}{f'{min(ratios):.2f} … {max(ratios):.2f}':>16}{said}")
    return kept


def measure(scene, load, seconds):
    process = load.process(scene)
    before = process.cpu()
    command = ["wrk", "-t1", f"-c{load.connections}", f"-d{seconds}", "--latency", "--timeout", "10"]
    if load.script:
        path = os.path.join(scene.folder.name, "call.lua")
        with open(path, "w") as script:
            script.write(load.script(process) if callable(load.script) else load.script)
        command += ["-s", path]
    said = subprocess.run([*command, process.url(load.path(scene))], capture_output=True, text=True, check=True).stdout
    spent = process.cpu() - before
    if re.search(r"Non-2xx|Socket errors", said):
        raise SystemExit(f"{load.name} failed under load:\n{said}")
    requests = int(re.search(r"(\d+) requests in", said)[1])
    if not requests:
        raise SystemExit(f"{load.name} answered nothing in {seconds} s:\n{said}")
    latency = {part: re.search(rf"^\s+{part}%\s+(\S+)", said, re.M)[1] for part in (50, 99)}
    return Figures(spent / requests / load.members * 1e6, float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]), latency[50], latency[99])
