"""A site whose members stand behind proxies that close what rests: what its callers are told.

A connection is worth nothing the moment its other end closes it, and nobody knows that before the news is here. A call that
is sent in between may have run, so it is not sent again (a POST is not idempotent): its member is missing in the answer, as
`closed` or `reset`. That is rare and legal. What must never be is an answer that belongs to another call.
"""
import collections
import contextlib
import csv
import http.client
import io
import json
import math
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import xmlrpc.client
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, NamedTuple

from rig.process import Process, free_ports

from .foreign import works
from .report import quantile
from .site import Site

NAMES = ("one", "two", "three")
CALLERS = 24
# The share of the answers that have to be whole. What is missing met a close.
WHOLE = 0.99
# What a call that met a close may be told, and what a machine that stood still may tell; nothing else is legal.
LEGAL = {"closed", "reset", "deadline"}
# A site that answers nothing holds up each call until its caller gives up, so a scene ends by the clock, too. In seconds.
LONGEST = 90
PATIENCE = 5
CHECK_INTERVAL = 0.5
# Where Debian keeps servers; only root has it in its PATH.
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
KEYWORD = re.compile(r"k\d+n\d+")
REASON = re.compile(r"127\.0\.0\.1:\d+ ([a-z_]+)")
GAP = re.compile(r"(partial|failed|timed_out|cancelled|not_sent)=")
LOGGED = re.compile(r"partial answer: (.*?) uri=\"[^\"]*keyword=(k\d+n\d+)\"")


class Scene(NamedTuple):
    what: str
    # What stands before the members: from them to the ports to call, and to who knows how many connections these had.
    front: Callable
    calls: int
    # Calls of one caller in a row.
    burst: tuple
    # Seconds until the other end closes what rests; the share of the rests that are aimed at it; seconds of the others.
    limit: float
    aimed: float
    others: tuple
    # Every so many calls one has a body that the proxy refuses; 0 for none.
    large: int = 0
    # The rest after which the members themselves close, in seconds; 0 for never.
    rest: float = 0


class Call(NamedTuple):
    keyword: str
    is_large: bool
    code: int
    coverage: str
    body: str
    took: float


# Installing, and which they are


def found(name):
    return shutil.which(name, path=PATH)


PACKAGES = {"nginx": "nginx-light", "haproxy": "haproxy"}


def install(packages=PACKAGES, script="proof/proxies"):
    """Installs the programs that are missing, or says how. Debian starts what it installs where there is somebody to do
    that; a policy of our own forbids it for as long as this takes."""
    missing = [package for name, package in packages.items() if not found(name)]
    if not missing:
        return
    line = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"missing: {', '.join(missing)}. Run this, then {script} again:\n    sudo sh -c '{line}'")
    policy = Path("/usr/sbin/policy-rc.d")
    is_ours = not policy.exists()
    if is_ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        subprocess.run(line, shell=True, check=True, stdout=sys.stderr,
                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    finally:
        if is_ours:
            policy.unlink()


def versions():
    for name in ("nginx", "haproxy"):
        told = subprocess.run([found(name), "-v"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        yield f"{name} {re.search(r'[0-9]+[.][0-9][^ ]*', told)[0].strip()}"


# What stands before the members


def nginx(folder, members, keys):
    """nginx in one process, so that there is one to end; its connections to the members rest as long as they like."""
    ports = free_ports(len(members))
    pairs = list(zip(ports, members))
    pages = [f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
    upstreams = [f"upstream m{port} {{ server 127.0.0.1:{member}; keepalive 64; }}" for port, member in pairs]
    servers = [f"""server {{ listen 127.0.0.1:{port} backlog=512; {keys}
        location / {{ proxy_pass http://m{port}; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}"""
               for port, member in pairs]
    # Never to the member twice: what runs twice must have been sent twice by the site.
    conf = f"""daemon off; master_process off; pid {folder}/pid; error_log stderr warn;
        events {{ worker_connections 2000; }}
        http {{ {' '.join(pages)} log_format used "$connection"; access_log {folder}/used used; proxy_next_upstream off;
        {' '.join(upstreams)} {' '.join(servers)} }}\n"""
    Path(folder, "nginx.conf").write_text(conf)
    process = Process([found("nginx"), "-p", folder, "-c", f"{folder}/nginx.conf"], ports[0], folder)
    return process, ports, lambda: len(set(Path(folder, "used").read_text().split()))


def haproxy(folder, members):
    ports = free_ports(len(members))
    lines = ["global", f"stats socket {folder}/stats", "nbthread 1", "maxconn 2000", "defaults", "mode http",
             "timeout connect 1s", "timeout client 1s", "timeout server 10s", "timeout http-request 300ms",
             "timeout http-keep-alive 200ms"]
    for port, member in zip(ports, members):
        lines += [f"listen p{port}", f"bind 127.0.0.1:{port} backlog 512", f"server m 127.0.0.1:{member}"]
    Path(folder, "haproxy.conf").write_text("\n".join(lines) + "\n")

    def connections():
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(f"{folder}/stats")
            one.sendall(b"show stat\n")
            told = one.makefile().read().lstrip("# ")
        return sum(int(row["conn_tot"]) for row in csv.DictReader(io.StringIO(told)) if row["svname"] == "FRONTEND")

    return Process([found("haproxy"), "-db", "-f", f"{folder}/haproxy.conf"], ports[0], folder), ports, connections


def before(make):
    """The proxies of a scene as what it opens and closes: their ports, and how many connections they have had."""
    @contextlib.contextmanager
    def front(members):
        with tempfile.TemporaryDirectory() as folder:
            process, ports, connections = make(folder, [member.port for member in members])
            try:
                yield ports, connections
            finally:
                process.stop()
    return front


@contextlib.contextmanager
def nothing(members):
    yield [member.port for member in members], lambda: sum(member.tell()["connections"] for member in members)


class Member:
    def __init__(self, name, rest):
        script = Path(__file__).with_name("foreign.py")
        words = [sys.executable, script, name, *([str(rest)] if rest else [])]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def tell(self):
        with xmlrpc.client.ServerProxy(f"http://127.0.0.1:{self.port}/") as server:
            return collections.Counter(server.tell())

    def stop(self):
        self.process.kill()
        self.process.communicate()


SCENES = {
    "nginx": Scene(
        "nginx closes after a rest of 1 s, and with every 8th answer.",
        before(lambda folder, members: nginx(folder, members, "keepalive_timeout 1s; keepalive_requests 8;")),
        calls=3000, burst=(1, 3), limit=1.0, aimed=0.85, others=(0.15, 0.25)),
    "haproxy": Scene(
        "HAProxy closes after a rest of 200 ms.", before(haproxy),
        calls=3000, burst=(1, 2), limit=0.2, aimed=0.85, others=(0.9, 1.1)),
    "unasked": Scene(
        "Members say 408 to what has rested for 200 ms, then close it.", nothing,
        calls=5000, burst=(1, 2), limit=0.2, aimed=0.4, others=(0.0, 0.1), rest=0.2),
    "early": Scene(
        "nginx says 413 to one call of eight before its body is there.",
        before(lambda folder, members: nginx(folder, members, "keepalive_timeout 1s; client_max_body_size 4k;")),
        calls=1000, burst=(2, 5), limit=1.0, aimed=0.85, others=(0.0, 0.1), large=8),
}


# The callers


class Caller:
    """One client with a connection of its own and keywords of its own."""

    def __init__(self, scene, port, index):
        self.scene, self.index, self.made = scene, index, []
        self.dice = random.Random(index)
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def burst(self, calls):
        # Not all in the same millisecond: what is to be met is shorter than that.
        time.sleep(self.dice.uniform(0, 0.01))
        for _ in range(calls):
            self.made.append(self.call(len(self.made)))

    def call(self, nth):
        keyword = f"k{self.index}n{nth}"
        is_large = bool(self.scene.large) and (self.index + nth) % self.scene.large == 0
        began = time.monotonic()
        try:
            if is_large:
                form = urllib.parse.urlencode({"keyword": keyword + "x" * 300_000})
                self.connection.request("POST", "/search", form, {"Content-Type": "application/x-www-form-urlencoded"})
            else:
                self.connection.request("GET", f"/search?keyword={keyword}")
            answer = self.connection.getresponse()
            code, coverage, body = answer.status, answer.getheader("X-Coverage") or "", answer.read().decode()
            # Kept if it tells of a gap.
            coverage = coverage if GAP.search(coverage) else ""
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            code, coverage, body = 0, "", repr(error)
        return Call(keyword, is_large, code, coverage, body, time.monotonic() - began)


def drive(scene, port):
    """Rounds of bursts of all callers at once, with rests of all between them: what one used would not rest."""
    dice, callers = random.Random(scene.what), [Caller(scene, port, index) for index in range(CALLERS)]
    until = time.monotonic() + LONGEST
    with ThreadPoolExecutor(CALLERS) as pool:
        while sum(len(one.made) for one in callers) < scene.calls and time.monotonic() < until:
            calls = dice.randint(*scene.burst)
            list(pool.map(lambda one: one.burst(calls), callers))
            # The connections that were used last have rested for the shortest time, the others for up to a burst longer.
            aim = dice.uniform(-0.05, 0.02) if dice.random() < 0.8 else dice.uniform(-0.05, 0.05)
            time.sleep(scene.limit + aim if dice.random() < scene.aimed else dice.uniform(*scene.others))
    for one in callers:
        one.connection.close()
    return [call for one in callers for call in one.made]


# What came of it


def expected(keyword):
    return [work for name in NAMES for work in works(keyword, name)]


def judged(call):
    """What a call came to. `foreign` is an answer with anything in it that its keyword did not ask for."""
    if set(KEYWORD.findall(call.body + call.coverage)) - {call.keyword}:
        return "foreign"
    if call.code != 200:
        return "failed"
    try:
        entries = json.loads(call.body)
    except ValueError:
        return "damaged"
    if call.coverage:
        parts = [works(call.keyword, name) for name in NAMES]
        subsets = [sum((part for nth, part in enumerate(parts) if mask >> nth & 1), []) for mask in range(1, 7)]
        return "partial" if entries in subsets else "damaged"
    return "whole" if entries == expected(call.keyword) else "damaged"


def told_to_rest(port):
    """What a connection is told that has had one answer and rests, and after how long."""
    with socket.create_connection(("127.0.0.1", port), 5) as one:
        one.sendall(b"GET /alive HTTP/1.1\r\nHost: x\r\n\r\n")
        while not (answer := one.recv(65536)).endswith(b"alive"):
            if not answer:
                return 0.0, "closed before its answer"
        began = time.monotonic()
        try:
            said = one.recv(65536)
        except socket.timeout:
            return math.inf, "still open"
        return time.monotonic() - began, said.split(b"\r\n")[0].decode() or "nothing"


def run(report, options, name, scene):
    with contextlib.ExitStack() as stack:
        members = []
        for member in NAMES:
            members.append(Member(member, scene.rest))
            stack.callback(members[-1].stop)
        ports, connections = stack.enter_context(scene.front(members))
        rested, said = told_to_rest(ports[0])
        report.holds("a connection that rests is closed, after ms (said before)",
                     abs(rested - scene.limit) < 0.15, f"{rested * 1000:.0f} ({said})")
        nodes = ", ".join(f"127.0.0.1:{port}" for port in ports)
        site = stack.enter_context(Site(options, *(
            f"[@{cluster}]\nmembers = {nodes}\ncheck = {check}\ncheck_interval = {CHECK_INTERVAL}s"
            for cluster, check in {"mysearch": "rpc", "pages": "http:/alive"}.items()), app="demo"))
        began = time.monotonic()
        calls = drive(scene, site.port)
        told(report, scene, site, calls, time.monotonic() - began)
        if site.process.poll() is None:
            health(report, site, members, connections())


def told(report, scene, site, calls, took):
    site.log.flush()
    log = Path(site.folder.name, "log").read_text(errors="replace")
    logged = collections.defaultdict(str)
    for why, keyword in LOGGED.findall(log):
        logged[keyword] += why
    came, reasons, met_408 = collections.Counter(), collections.Counter(), 0
    usual = [call for call in calls if not call.is_large]
    for call in usual:
        came[judged(call)] += 1
        words = f"{call.coverage} {logged[call.keyword]}" + (f" {call.code} {call.body}" if call.code != 200 else "")
        # A 408 that was taken for an answer is `http_status` in the log.
        met_408 += bool(re.search(r"\b(408|http_status)\b", words))
        if call.code != 200 or call.coverage:
            reasons.update(REASON.findall(words) or [f"{call.code} {call.body[:90]}"])
    times = [call.took * 1000 for call in usual]
    missing = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common(8)) or "none"
    report.note(f"{len(calls)} calls of {CALLERS} callers in {took:.0f} s, p50 {quantile(times, 0.5):.0f}, "
                f"p99 {quantile(times, 0.99):.0f} ms; {came['partial']} partial, {came['failed']} failed")
    report.note(f"members that are missing in these, and why: {missing}")
    report.holds("the site runs", site.process.poll() is None)
    report.bound("calls made", len(calls), scene.calls, at_least=True)
    report.bound("answers of all members, with the own keyword alone", came["whole"], math.ceil(WHOLE * len(usual)),
                 f"of {len(usual)}", at_least=True)
    report.bound("answers with a foreign keyword", came["foreign"], 0)
    report.bound("answers that lack something and do not say so, or have too much", came["damaged"], 0)
    report.bound("callers that are told 408, or lack a member for an HTTP status", met_408, 0)
    others = {reason: count for reason, count in reasons.items() if reason not in LEGAL}
    report.bound(f"members missing for another reason than {', '.join(sorted(LEGAL))}", sum(others.values()), 0)
    if scene.large:
        large = [call for call in calls if call.is_large]
        kinds = collections.Counter(judged(call) for call in large)
        why = collections.Counter(word for call in large for word in set(REASON.findall(call.body)))
        report.note(f"{len(large)} calls were too large: {dict(kinds)}; their members' reasons: {dict(why)}")
        report.bound("calls too large that are told so, with 413", sum("HTTP 413" in call.body for call in large),
                     math.ceil(WHOLE * len(large)), f"of {len(large)}", at_least=True)
        report.bound("of them, answered as if they had run", len(large) - kinds["failed"], 0)


def health(report, site, members, connections):
    counts = [member.tell() for member in members]
    # Each check has a connection of its own.
    checks = sum(one["checks"] + one["pages"] for one in counts)
    exchanges = sum(one["calls"] for one in counts)
    connections = max(connections - checks, 0)
    report.note(f"the members saw {exchanges} calls, over some {connections} connections, and {checks} checks")
    at_once = len(NAMES) * CALLERS
    report.bound(f"connections for that, of which {at_once} are needed at once", connections, 2 * at_once, at_least=True)
    report.bound("calls to a member for each connection", exchanges / max(connections, 1), 1.2, at_least=True)
    report.bound("calls that a member had twice", sum(one["again"] for one in counts), 0)
    for cluster, kind in {"mysearch": "checks", "pages": "pages"}.items():
        known = site.known(cluster)
        report.bound(f"{cluster}: checks that the members saw, the fewest", min(one[kind] for one in counts), 10,
                     at_least=True)
        report.bound(f"{cluster}: ejections, and those that were spared",
                     sum(one["ejections"] + one["spared"] for one in known), 0)
        for said in sorted({said for one in known for kind in ("last_error", "last_failure")
                            if (said := (one.get(kind) or {}).get("msg"))}):
            report.note(f"{cluster}, last said of a member: {said}")
