"""Members that answer after 50, 100, … 500 ms: each answer reaches the client when it is there.

And a client that stops reading stalls the members; one that leaves ends their work.
"""
import json
import socket
import time

from .members import Members
from .report import quantile
from .site import Site

ROUNDS = 20
CHUNKS = 2000


def run(report, options):
    with Members(10) as members, Site(options, members.section()) as site:
        arrivals(report, members, site)
        leaving(report, members, site)
    with Members(2) as members, Site(options, members.section()) as site:
        stalled(report, members, site)


def asked(site, path):
    one = socket.create_connection(("127.0.0.1", site.port))
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return one


def lines_of(one):
    """The lines of a chunked answer with the time of each; the chunks are lines."""
    began, received = time.monotonic(), b""
    lines = []
    while b"\r\n0\r\n\r\n" not in received and (more := one.recv(65536)):
        received += more
        found = [line for line in received.split(b"\r\n") if line.startswith(b"{")]
        lines += [(time.monotonic() - began, line) for line in found[len(lines):]]
    return lines


def arrivals(report, members, site):
    for member in range(10):
        members.set(f"latency {500 - member * 50}", member)
    expected = [members.node(member) for member in reversed(range(10))]
    first, last, ordered = [], [], 0
    for _ in range(ROUNDS):
        with asked(site, "/arrivals?cluster=members/rpc2") as one:
            lines = lines_of(one)
        first.append(lines[0][0] * 1000)
        last.append(lines[-1][0] * 1000)
        ordered += [json.loads(line)["node"] for _, line in lines] == expected
    report.note(f"{ROUNDS} rounds; first line after {quantile(first, 0.5):.0f} ms in the median, last after {quantile(last, 0.5):.0f}")
    report.bound("the first line reaches the client, the slowest of them", max(first), 70.0, "ms")
    report.holds("ten chunks in the order of arrival", ordered == ROUNDS, f"{ordered} of {ROUNDS}")


def leaving(report, members, site):
    members.set("hang")
    members.set("pass", 0)
    members.zero()
    one = asked(site, "/arrivals?cluster=members/rpc2")
    one.recv(65536)
    while sum(members.counted()) < 10:
        time.sleep(0.005)
    left = time.monotonic()
    one.close()
    time.sleep(1)
    lost = [told["lost_at"] for told in members.tell()[1:]]
    report.bound("the client leaves: the last of nine hanging members is let go",
                 (max(at or left + 60 for at in lost) - left) * 1000, 500.0, "ms")


def stalled(report, members, site):
    members.set("bytes 65536")
    site.get("/rounds?cluster=members/rpc2&rounds=20")
    members.zero()
    before = site.memory()
    with asked(site, f"/rounds?cluster=members/rpc2&rounds={CHUNKS}") as one:
        one.recv(1000)
        time.sleep(3)
        rounds = members.counted()[0]
        time.sleep(2)
        report.holds("a client stops reading: the members are left alone", members.counted()[0] == rounds,
                     f"{rounds} of {CHUNKS} rounds")
        report.bound("memory meanwhile, above what it was", site.memory() - before, 16.0, "MiB")
