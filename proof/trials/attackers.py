"""Clients that hold connections and mean no good: so many of one kind, in a process of its own.

`attackers.py PORT COUNT PLAN` opens the connections, does what the plan says and prints, in JSON, when everything is in
place. It stays until its stdin ends (or SIGTERM), then leaves without a word and prints what it saw. The plan is JSON, too:

    first     what each connection sends, `copies` of it in one piece and that `times` so often, as fast as it is taken;
              `padding` octets after it
    answer    if given: what the body of the answer to that must be; nothing goes on before it has come
    second    sent after that
    drip      octets sent one at a time, `pace` seconds apart (1 if not given); over again if `drips` is 0, else so many
    sip       octets read every `pace` seconds; nothing is read beyond `answer` if that is not given
    window    SO_RCVBUF

Every connection pretends to segments of 1 400 octets. Those of the loopback interface are of 64 KiB, and for such the
kernel puts megabytes of an answer aside that no client of a network would be lent.
"""
import collections
import json
import re
import resource
import select
import signal
import socket
import sys
import threading
import time

SEGMENT = 1400
# Whoever is not there by then has met a server that takes no more.
PATIENCE = 10
# Nothing went on for so long: what is there is in place.
STILL = 1.0
# Not more than that even where something goes on.
LONGEST = 20
ANSWER = re.compile(rb"(?is)HTTP/1.1 (\d+).*?\r\ncontent-length: (\d+)\r\n.*?\r\n\r\n")
ALWAYS = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class One:
    """A connection."""

    def __init__(self, port, plan):
        self.plan, self.port = plan, port
        self.line = socket.socket()
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        if plan.get("window"):
            self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, plan["window"])
        self.line.settimeout(PATIENCE)
        self.left, self.times = memoryview(b""), 0
        self.awaits = "answer" in plan
        self.received, self.sent, self.dripped = b"", 0, 0
        self.ended, self.verdict = None, None

    def open(self):
        self.line.connect(("127.0.0.1", self.port))
        self.line.setblocking(False)
        self.left, self.times = FIRST, self.plan.get("times", 1) - 1

    def write(self):
        """Sends what it can; whether anything is left. An end is seen elsewhere."""
        while self.left:
            try:
                taken = self.line.send(self.left)
            except BlockingIOError:
                return True
            except OSError:
                self.left = memoryview(b"")
                return False
            self.sent += taken
            self.left = self.left[taken:]
            if not self.left and self.times:
                self.left, self.times = FIRST, self.times - 1
        return False

    def read(self):
        """Reads what the plan wants read, here: an answer with a length."""
        try:
            more = self.line.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more:
            self.ended = time.monotonic()
            return
        if len(self.received) < 65536:
            self.received += more
        if self.awaits and (found := ANSWER.match(self.received)):
            body = self.received[found.end():]
            if len(body) >= int(found[2]):
                self.awaits, self.verdict = False, found[1] == b"200" and body == self.plan["answer"].encode()
                self.received = b""
                self.left = memoryview(self.plan.get("second", "").encode())

    @property
    def reads(self):
        return "answer" in self.plan

    @property
    def in_place(self):
        return self.ended is not None or not (self.awaits or self.left)


port, count, plan = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
FIRST = memoryview(plan.get("first", "").encode() * plan.get("copies", 1) + b"x" * plan.get("padding", 0))
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
# Called off.
signal.signal(signal.SIGTERM, lambda *_: over.set())
poll, ones, failed = select.epoll(), {}, collections.Counter()


def arm(one, more):
    poll.modify(one.line, ALWAYS | (select.EPOLLIN if one.reads else 0) | (select.EPOLLOUT if more else 0))


def turn(wait):
    """What can be read and written now; whether anything was."""
    went_on = False
    for number, mask in poll.poll(wait):
        one = ones[number]
        before = one.sent
        if mask & select.EPOLLIN and one.reads:
            one.read()
            went_on = True
        elif mask & ALWAYS:
            one.ended = time.monotonic()
        if one.ended is not None:
            poll.unregister(one.line)
            continue
        arm(one, one.write())
        went_on |= one.sent != before
    return went_on


def beat():
    """The drip and the sip of every connection."""
    for one in ones.values():
        if one.ended is not None or one.awaits:
            continue
        try:
            if plan.get("drip") and not one.left and (not plan.get("drips") or one.dripped < plan["drips"]):
                one.sent += one.line.send(plan["drip"][one.dripped % len(plan["drip"])].encode())
                one.dripped += 1
            if plan.get("sip"):
                one.line.recv(plan["sip"])
        except BlockingIOError:
            pass
        except OSError:
            one.ended = one.ended or time.monotonic()
            poll.unregister(one.line)


began = last = time.monotonic()
for nth in range(count):
    if over.is_set():
        break
    one = One(port, plan)
    try:
        one.open()
    except OSError as error:
        failed[type(error).__name__] += 1
        one.line.close()
        continue
    ones[one.line.fileno()] = one
    poll.register(one.line, ALWAYS)
    arm(one, one.write())
    last = time.monotonic()
    if nth % 20 == 19:
        turn(0)
opened, is_told, due = time.monotonic(), False, time.monotonic()
while not (over.is_set() and is_told):
    if turn(0.02):
        last = time.monotonic()
    now = time.monotonic()
    if now >= due:
        beat()
        due += plan.get("pace", 1)
    is_done = all(one.in_place for one in ones.values()) or now - last > STILL or now - opened > LONGEST
    if not is_told and (is_done or over.is_set()):
        is_told = True
        print(json.dumps({"began": began, "in_place": last, "connected": len(ones)}), flush=True)
for one in ones.values():
    if not one.received:
        try:
            one.received = one.line.recv(200)
        except OSError:
            pass
said = collections.Counter(one.received[:200].decode("latin-1").split("\r\n")[0] for one in ones.values() if one.received)
for one in ones.values():
    one.line.close()
print(json.dumps({
    "connected": len(ones), "failed": dict(failed), "ended": sum(one.ended is not None for one in ones.values()),
    "right": sum(one.verdict is True for one in ones.values()), "said": dict(said.most_common(3)),
    "wrong": sum(one.verdict is False for one in ones.values()), "sent": sum(one.sent for one in ones.values()),
}), flush=True)
