"""The reverse proxy between peers that others wrote: what comes through it, what it holds, and what it costs.

The origin is `origin.py`; nginx and HAProxy stand in front of the proxy, behind it, and beside it. Their configurations
are the texts below.
"""
import contextlib
import http.client
import itertools
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from rig.process import Process, cpu, free_port

from .origin import Server, digest, pattern
from .proxies import found
from .report import quantile
from .site import program_of

# One worker each, connections to the members kept, what a proxy tells of the client told.
NGINX = """daemon off; master_process off; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{ access_log off; {temps} client_max_body_size 0; keepalive_requests 1000000000;
upstream member {{ server 127.0.0.1:{member}; keepalive 64; keepalive_requests 1000000000; }}
server {{ listen 127.0.0.1:{port} backlog=2048; location / {{ proxy_pass http://member; proxy_http_version 1.1;
proxy_set_header Connection ""; proxy_set_header Host $http_host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
proxy_request_buffering off; }} }} }}
"""
HAPROXY = """global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option forwardfor
    http-reuse always
listen all
    bind 127.0.0.1:{port} backlog 2048
    server member 127.0.0.1:{member}
"""
FILES = """daemon off; master_process off; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{ access_log off; {temps} sendfile on; keepalive_requests 1000000000; default_type application/octet-stream;
server {{ listen 127.0.0.1:{port} backlog=2048; root {folder}; }} }}
"""
TEMPS = " ".join(f"{kind}_temp_path {{folder}}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))


@contextlib.contextmanager
def running(command, conf, name, **values):
    """A server with a configuration of its own, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        port = free_port()
        values = {"folder": folder, "port": port, **values}
        Path(folder, name).write_text(conf.format(temps=TEMPS.format(folder=folder), **values))
        process = Process([word.format(folder=folder) for word in map(str, command)], port, folder)
        try:
            yield process
        finally:
            process.stop()


def nginx(member):
    return running([found("nginx"), "-p", "{folder}", "-c", "{folder}/nginx.conf"], NGINX, "nginx.conf", member=member)


def haproxy(member):
    return running([found("haproxy"), "-db", "-f", "{folder}/haproxy.conf"], HAPROXY, "haproxy.conf", member=member)


def skitai(options, member, *keys, threads=1, mount=()):
    conf = "\n".join(["[server]", "ip = 127.0.0.1", "port = {port}", f"threads = {threads}", "supervise = no",
                      "securekey = a-key-of-the-proof-0123456789-abcdefghij", "[routes:line]", "/ = @web", "[@web]",
                      "members = 127.0.0.1:{member}", *keys, *(["[mount /]", *mount] if mount else [])]) + "\n"
    return running([program_of(options, "testsite"), "-f", "proof.conf"], conf, "proof.conf", member=member)


# Others on both sides


KEPT = re.compile(r"(?im)^(content-type|content-length|location):\s*(.*?)\s*$")


def curl(port, path, *more, given=b""):
    """Status, body and what an answer says that a client goes by."""
    with tempfile.NamedTemporaryFile() as body:
        command = ["curl", "-sS", "--max-time", "30", "--noproxy", "*", "-o", body.name, "-D", "-", *more,
                   f"http://127.0.0.1:{port}{path}"]
        done = subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        heads = [head for head in done.stdout.decode("latin-1").split("\r\n\r\n") if head]
        last = heads[-1] if heads else ""
        status = last.split(" ", 2)[1] if last else ""
        kept = sorted((name.lower(), value) for name, value in re.findall(KEPT, last))
        said = done.stderr.decode().strip()
        # curl writes the head of an answer to HEAD as its body.
        body = b"" if "--head" in more else Path(body.name).read_bytes()
        return done.returncode, status, body, kept, said


BIG = 5_000_000
CASES = {
    "nothing": ("/bytes/0",), "ten octets": ("/bytes/10",), "5 MB": (f"/bytes/{BIG}",),
    "chunks": ("/chunked/300000",), "HEAD": ("/bytes/100", "--head"), "a 404": ("/none",), "a redirect": ("/moved",),
    "a small POST": ("/taken", "--data-binary", "small"),
    "5 MB sent": ("/taken", "-H", "Expect:", "--data-binary", "@-"),
    "5 MB sent after a 100": ("/taken", "-H", "Expect: 100-continue", "--data-binary", "@-"),
    "5 MB sent in chunks": ("/taken", "-H", "Transfer-Encoding: chunked", "-H", "Expect:", "--data-binary", "@-"),
    "a PUT": ("/taken", "-T", "-"), "a DELETE": ("/taken", "-X", "DELETE"),
    "a member that closes": ("/last",),
    "a refusal before the body": ("/early", "-H", "Expect:", "--data-binary", "@-"),
    "two requests on one connection": ("/bytes/[10-11]",),
}


def peers(report, options):
    """nginx and HAProxy before it, behind it, and both: curl gets from each chain what the origin alone gives."""
    given = b"".join(map(bytes, pattern(BIG)))
    origin = Server()
    direct = {name: curl(origin.port, *case, given=given)[:4] for name, case in CASES.items()}
    report.bound("cases that are whole without proxies", sum(answer[0] == 0 for answer in direct.values()), len(CASES),
                 at_least=True)
    expected = json.loads(direct["5 MB sent in chunks"][2])
    report.holds("the origin got every octet", (expected["length"], expected["digest"]) == digest([given]))
    for before, behind in itertools.product((None, nginx, haproxy), repeat=2):
        with contextlib.ExitStack() as chain:
            port = origin.port
            for make in (behind, lambda port: skitai(options, port), before):
                port = chain.enter_context(make(port)).port if make else port
            right, wrong = 0, []
            for name, case in CASES.items():
                answer = curl(port, *case, given=given)
                if answer[:4] == direct[name]:
                    right += 1
                else:
                    wrong.append(f"{name}: {answer[0]} {answer[1]} {len(answer[2])} octets {answer[3]} {answer[4]}, not "
                                 f"{direct[name][0]} {direct[name][1]} {len(direct[name][2])} {direct[name][3]}")
            for line in wrong:
                report.note(line)
            names = [one.__name__ if one else "" for one in (before, behind)]
            path = " – ".join(filter(None, ["curl", names[0], "skitai", names[1], "origin"]))
            report.bound(f"{path}: the same answers", right, len(CASES), at_least=True)


# Large ones


class Memory:
    """The largest memory of a process, looked at ten times a second."""

    def __init__(self, process):
        self.process, self.before = process, process.memory()
        self.most, self.is_over = self.before, threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.is_over.wait(0.1):
            self.most = max(self.most, self.process.memory())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


def large(report, options):
    """Ten gigabytes each way: memory, and every octet there."""
    length = options.gigabytes * 10**9
    origin = Server()
    with skitai(options, origin.port) as site:
        curl(site.port, f"/bytes/{BIG}")
        for what in ("down", "up"):
            began, used = time.monotonic(), site.cpu()
            with Memory(site) as memory, socket.create_connection(("127.0.0.1", site.port)) as peer:
                if what == "down":
                    peer.sendall(f"GET /bytes/{length} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
                    came, room = 0, bytearray(1 << 20)
                    head = b""
                    while b"\r\n\r\n" not in head:
                        head += peer.recv(1 << 16)
                    came = len(head.split(b"\r\n\r\n", 1)[1])
                    while count := peer.recv_into(room):
                        came += count
                else:
                    peer.sendall(f"POST /counted HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
                                 .encode())
                    for piece in pattern(length):
                        peer.sendall(piece)
                    told = b""
                    while piece := peer.recv(1 << 16):
                        told += piece
                    came = json.loads(told.split(b"\r\n\r\n", 1)[1])["length"]
            took = time.monotonic() - began
            report.note(f"{what}: {took:.1f} s, {(site.cpu() - used) / length * 1e9:.2f} s of processor time for a GB")
            report.holds(f"{what}: every octet came", came == length, came)
            report.bound(f"{what}: memory that grew", memory.most - memory.before, 32.0, "MiB")


# Slow readers


def slow_clients(port, count, path):
    """Clients that have asked and do not read."""
    for _ in range(count):
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", port))
        peer.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        yield peer


def until(holds, most=20):
    end = time.monotonic() + most
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def rest_of(peer):
    peer.settimeout(30)
    octets = b""
    while piece := peer.recv(1 << 16):
        octets += piece
    return octets.split(b"\r\n\r\n", 1)[1]


def slow(report, options):
    """1,000 clients that do not read answers of 32 KiB, before a member that may have 16 connections."""
    size, count = 32 << 10, 1000
    expected = b"".join(map(bytes, pattern(size)))
    origin = Server()
    with skitai(options, origin.port, "connections = 16") as site:
        peers = []
        # No more at a time than may wait for the member.
        while len(peers) < count:
            peers += slow_clients(site.port, 100, f"/bytes/{size}")
            if not until(lambda: origin.answered >= len(peers) and not origin.in_use):
                break
        report.bound("answers that the member has sent to their end", origin.answered, count, at_least=True)
        report.bound("connections of the member that are held", origin.in_use, 0)
        times = []
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
        for _ in range(200):
            began = time.monotonic()
            connection.request("GET", "/bytes/100")
            assert len(connection.getresponse().read()) == 100
            times.append((time.monotonic() - began) * 1000)
        report.bound("beside them, an answer for somebody else, 99th percentile", quantile(times, 0.99), 50.0, "ms")
        whole = sum(rest_of(peer) == expected for peer in peers)
        report.bound("of them, once they read, have all of their answer", whole, count, at_least=True)
        for peer in peers:
            peer.close()
    # The control: what does not fit holds its connection.
    origin = Server()
    with skitai(options, origin.port, "connections = 16", mount=("proxy_buffer = 4k",)) as site:
        peers = list(slow_clients(site.port, 32, f"/bytes/{32 << 20}"))
        held = until(lambda: origin.in_use == 16, 5)
        report.holds("the control: answers of 32 MiB hold all 16 connections", held, origin.in_use)
        for peer in peers:
            peer.close()


# What it costs


def figures(report, options):
    """CPU time of a request beside nginx and HAProxy, one worker each, before nginx with files of 100 octets and 100 kB."""
    sides = {"skitai": lambda member: skitai(options, member), "nginx": nginx, "haproxy": haproxy}
    bounds = {"100": (100, 1.3), "100k": (100_000, 1.2)}
    with running([found("nginx"), "-p", "{folder}", "-c", "{folder}/nginx.conf"], FILES, "nginx.conf") as files:
        for name, (size, _) in bounds.items():
            Path(files.folder, name).write_bytes(os.urandom(size))
            os.chmod(Path(files.folder, name), 0o644)
        costs = {(side, name): [] for side in sides for name in bounds}
        rates = {(side, name): [] for side in sides for name in bounds}
        for _ in range(options.rounds):
            for side, make in sides.items():
                with make(files.port) as process:
                    for name, (size, _) in bounds.items():
                        status, body = curl(process.port, f"/{name}")[1:3]
                        assert (status, len(body)) == ("200", size), (side, name, status, len(body))
                        before = cpu(process.child.pid)
                        said = subprocess.run(["wrk", "-t1", "-c32", f"-d{options.seconds}s", process.url(f"/{name}")],
                                              capture_output=True, text=True, check=True).stdout
                        assert "Non-2xx" not in said and "Socket errors" not in said, said
                        asked = int(re.search(r"(\d+) requests in", said)[1])
                        costs[side, name].append((cpu(process.child.pid) - before) / asked * 1e6)
                        rates[side, name].append(asked / options.seconds)
        for name, (size, bound) in bounds.items():
            for side in sides:
                report.note(f"{size:>6} octets, {side:<8} {statistics.median(costs[side, name]):7.1f} µs of CPU time each, "
                            f"{statistics.median(rates[side, name]):8.0f} a second")
            for other in ("haproxy", "nginx"):
                ratio = statistics.median(a / b for a, b in zip(costs["skitai", name], costs[other, name]))
                if other == "nginx":
                    report.bound(f"{size} octets: CPU time beside nginx", ratio, bound, "×")
                else:
                    report.note(f"{size:>6} octets, beside HAProxy: {ratio:.2f} ×")


TRIALS = {trial.__name__: trial for trial in (peers, large, slow, figures)}
