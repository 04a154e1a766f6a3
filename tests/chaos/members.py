"""Members that misbehave on command: one process of its own, many ports, one control socket.

`members.py` prints the port of its control socket and runs until its stdin ends. It needs Python 3.9 and nothing else.
Over the control socket each line is a command and has one line for an answer, `ok …` or `error …`:

    open N                makes N members, answers with their ports
    set P[,P…] FAULT…     from now on; what hangs there is let go and treated by the new faults
    tell P[,P…]           what each has seen, a list in JSON
    sums                  over all members: requests, distinct ones, and the most often one of them came
    zero                  everything counted begins anew

Faults; several may stand together, such as `latency 5 stall 2 1000`:

    pass                  none
    refuse                nobody listens, and open connections are reset
    hang                  the request is read, no answer comes
    reset                 the request is read, the connection is reset
    latency MS            every answer takes this long
    stall PERCENT MS      so many of a hundred answers take this long more
    capacity N            so many at a time, the others queue
    error CODE            an answer with this code, and with `retry_after S` that header
    fault CODE            an XML-RPC fault
    bytes N               the answer is padded to about this length
    slow N                the answer comes N bytes at a time, ten times a second
    cut N                 the connection ends after N bytes of the answer

A POST is answered as an XML-RPC call whose value is the member's port, anything else with a page that names the port.
Requests for `/alive` are checks: they meet the same faults and are counted apart.
"""
import asyncio
import collections
import json
import random
import socket
import struct
import sys
import threading
import time

# How many words follow the name of a fault.
FAULTS = {
    "pass": 0, "refuse": 0, "hang": 0, "reset": 0, "latency": 1, "stall": 2, "capacity": 1, "error": 1,
    "retry_after": 1, "fault": 1, "bytes": 1, "slow": 1, "cut": 1,
}
CHECK = b"/alive"
BUDGET = b"\r\nx-request-timeout-ms:"

# How often each request came, whichever member it met.
came = collections.Counter()


def faults_of(words):
    faults, words = {}, list(words)
    while words:
        name = words.pop(0)
        if name not in FAULTS or len(words) < FAULTS[name]:
            raise ValueError(f"`{name}` is no fault, or its numbers are missing")
        faults[name] = [float(words.pop(0)) for _ in range(FAULTS[name])]
    return faults


class Member:
    """One port: its faults, its connections and what it counted."""

    def __init__(self):
        # Bound and never listening: while `refuse` is on it keeps the port from everybody else.
        self.holder = bound(0)
        self.port = self.holder.getsockname()[1]
        self.server = None
        self.connections = set()
        self.begin({})
        self.zero()

    def begin(self, faults):
        self.faults = faults
        self.slots = asyncio.Semaphore(int(faults["capacity"][0])) if "capacity" in faults else None

    def zero(self):
        self.counts = dict.fromkeys(("requests", "checks", "answered", "lost", "accepted"), 0)
        self.first_at = self.lost_at = self.budget = None

    async def listen(self):
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Connection(self), sock=bound(self.port), backlog=1024)

    async def change(self, faults):
        self.begin(faults)
        if "refuse" in faults and self.server:
            self.server.close()
            self.server = None
            for connection in list(self.connections):
                connection.reset()
        elif "refuse" not in faults and not self.server:
            await self.listen()
        for connection in list(self.connections):
            connection.retry()

    def told(self):
        return {"port": self.port, **self.counts, "open": len(self.connections), "first_at": self.first_at,
                "lost_at": self.lost_at, "budget": self.budget}


def bound(port):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", port))
    return one


class Connection(asyncio.Protocol):
    """One caller's connection: a request after the other."""

    def __init__(self, member):
        self.member = member
        self.received = b""
        # The request that waits for its answer: its method; and the task or timer that will give it.
        self.asked = None
        self.work = None

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.member.counts["accepted"] += 1
        self.member.connections.add(self)

    def data_received(self, data):
        self.received += data
        if self.asked is None:
            self.next()

    def connection_lost(self, _):
        self.member.connections.discard(self)
        self.stop()
        if self.asked is not None:
            self.member.counts["lost"] += 1
            self.member.lost_at = time.monotonic()

    def stop(self):
        if self.work:
            self.work.cancel()
            self.work = None

    def next(self):
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.received[:end].lower()
        length = number_after(head, b"\r\ncontent-length:") or 0
        if len(self.received) < end + 4 + length:
            return
        line = self.received.split(b"\r\n", 1)[0].split(b" ")
        body = self.received[end + 4:end + 4 + length]
        self.received = self.received[end + 4 + length:]
        self.asked = line[0]
        member = self.member
        if line[1] == CHECK:
            member.counts["checks"] += 1
        else:
            member.counts["requests"] += 1
            member.first_at = member.first_at or time.monotonic()
            member.budget = number_after(head, BUDGET)
            came[line[1] + b" " + body] += 1
        self.work_on()

    def retry(self):
        """New faults for a request that hung under the old ones."""
        if self.asked is not None and self.work is None:
            self.work_on()

    def work_on(self):
        faults = self.member.faults
        if "hang" in faults:
            return
        if "reset" in faults:
            return self.reset()
        delay = faults["latency"][0] if "latency" in faults else 0
        if "stall" in faults and random.random() * 100 < faults["stall"][0]:
            delay += faults["stall"][1]
        loop = asyncio.get_running_loop()
        if "capacity" in faults or "slow" in faults:
            self.work = loop.create_task(self.at_length(delay / 1000, faults))
        elif delay:
            self.work = loop.call_later(delay / 1000, self.answer, faults)
        else:
            self.answer(faults)

    async def at_length(self, delay, faults):
        if self.member.slots:
            async with self.member.slots:
                await asyncio.sleep(delay)
        else:
            await asyncio.sleep(delay)
        if "slow" not in faults:
            return self.answer(faults)
        answer, pace = self.made(faults), int(faults["slow"][0])
        for begin in range(0, len(answer), pace):
            self.transport.write(answer[begin:begin + pace])
            await asyncio.sleep(0.1)
        self.answered()

    def answer(self, faults):
        answer = self.made(faults)
        if "cut" in faults:
            self.transport.write(answer[:int(faults["cut"][0])])
            self.answered()
            return self.transport.close()
        self.transport.write(answer)
        self.answered()

    def answered(self):
        self.work = self.asked = None
        self.member.counts["answered"] += 1
        if self.received:
            self.next()

    def made(self, faults):
        code, more = 200, ""
        if "error" in faults:
            code = int(faults["error"][0])
        if "retry_after" in faults:
            more = f"Retry-After: {int(faults['retry_after'][0])}\r\n"
        value = f"<int>{self.member.port}</int>"
        if self.asked != b"POST":
            kind, body = "text/plain", str(self.member.port)
        elif "fault" in faults:
            pairs = f"<name>faultCode</name><value><int>{int(faults['fault'][0])}</int></value>", \
                "<name>faultString</name><value><string>as asked</string></value>"
            members = "".join(f"<member>{pair}</member>" for pair in pairs)
            kind, body = "text/xml", f"<methodResponse><fault><value><struct>{members}</struct></value></fault></methodResponse>"
        else:
            if "bytes" in faults:
                value = f"<string>{'x' * int(faults['bytes'][0])}</string>"
            kind, body = "text/xml", f"<methodResponse><params><param><value>{value}</value></param></params></methodResponse>"
        head = f"HTTP/1.1 {code} As Asked\r\nContent-Type: {kind}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        return (head + body).encode()

    def reset(self):
        # Closed without lingering, a socket sends a reset instead of its end.
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.asked = None
        self.transport.abort()


def number_after(head, name):
    begin = head.find(name)
    if begin < 0:
        return None
    return int(head[begin + len(name):].split(b"\r\n", 1)[0])


class Control:
    def __init__(self):
        self.members = {}

    async def serve(self, reader, writer):
        while line := (await reader.readline()).decode().strip():
            try:
                answer = "ok " + (await self.obey(*line.split()) or "")
            except (ValueError, KeyError, TypeError) as error:
                answer = f"error {line}: {error!r}"
            writer.write(answer.strip().encode() + b"\n")

    async def obey(self, command, *words):
        if command == "open":
            made = [Member() for _ in range(int(words[0]))]
            for member in made:
                await member.listen()
                self.members[member.port] = member
            return " ".join(str(member.port) for member in made)
        if command == "set":
            faults = faults_of(words[1:])
            for member in self.of(words[0]):
                await member.change(faults)
            return ""
        if command == "tell":
            return json.dumps([member.told() for member in self.of(words[0])])
        if command == "sums":
            return json.dumps({"requests": sum(came.values()), "distinct": len(came), "most": max(came.values(), default=0)})
        if command == "zero":
            came.clear()
            for member in self.members.values():
                member.zero()
            return ""
        raise ValueError("no such command")

    def of(self, ports):
        return [self.members[int(port)] for port in ports.split(",")]


async def main():
    control = Control()
    server = await asyncio.start_server(control.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def watch():
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=watch, daemon=True).start()
    await ended.wait()


asyncio.run(main())
