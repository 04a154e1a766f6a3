"""Event streams that have nothing to say for three times `send_timeout` live, and then say it.

Nothing waits to be sent on such a connection: no clock of the answer runs. Each stream waits for a member that takes its
time; its event must come, once, and behind it the event that tells what is missing, and the end of the body.
"""
import selectors
import socket
import time

from .attacks import CLOCKS, clocks
from .members import Members
from .site import Site

STREAMS = 20
SILENT = 3 * CLOCKS["send_timeout"] + 1
MISSED_WITHOUT = []


def run(report, options):
    with Members(1) as members:
        members.set(f"latency {SILENT * 1000}")
        section = members.section("members", f"member_timeout = {3 * SILENT}s")
        with Site(options, section, keys=clocks(options), deadline=3 * SILENT) as site:
            began, received = time.monotonic(), listened(site.port, 2 * SILENT)
    ends = [body.count(b"event: end\n") for _, body in received]
    events = [body.count(b"data:") - end for (_, body), end in zip(received, ends)]
    heads = [took for (took, _), count in zip(received, events) if count]
    report.note(f"the event of each came after {min(heads, default=0):.1f} to {max(heads, default=0):.1f} s")
    report.bound("streams that gave their one event and an end", sum(
        (count, end) == (1, 1) and body.endswith(b"\r\n0\r\n\r\n") and b"\"ok\"" in body
        for count, end, (_, body) in zip(events, ends, received)),
        STREAMS, at_least=True)
    report.bound("streams that ended before they were due", sum(took < SILENT - 0.5 for took, _ in received), 0)
    report.bound("all took", time.monotonic() - began, SILENT + 3.0, "s")


def listened(port, seconds):
    """When each stream ended, and what it gave."""
    lines = selectors.DefaultSelector()
    until, began, received = time.monotonic() + seconds, time.monotonic(), {}
    for nth in range(STREAMS):
        line = socket.create_connection(("127.0.0.1", port))
        line.sendall(b"GET /events?cluster=members/rpc2 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
        line.setblocking(False)
        lines.register(line, selectors.EVENT_READ, nth)
        received[nth] = (float("inf"), b"")
    while lines.get_map() and time.monotonic() < until:
        for key, _ in lines.select(0.5):
            try:
                more = key.fileobj.recv(65536)
            except OSError:
                more = b""
            received[key.data] = (time.monotonic() - began, received[key.data][1] + more)
            if not more or received[key.data][1].endswith(b"\r\n0\r\n\r\n"):
                lines.unregister(key.fileobj)
                key.fileobj.close()
    for key in list(lines.get_map().values()):
        key.fileobj.close()
    return list(received.values())
