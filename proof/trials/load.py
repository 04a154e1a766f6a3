"""Load that does not wait for answers: each request begins when it is due, on a free connection or a new one, and its time
runs from then. What a stall holds up is in the figures."""
import asyncio
import collections
import time

# An idle connection is not used after that: the server closes it after 5 s, perhaps just when it is written to.
FRESH = 3.0

# The longest that a request began after it was due: then the machine kept us waiting, and the program under test as well.
stood_still = 0.0

Ended = collections.namedtuple("Ended", "at took code body head")


class Connection:
    def __init__(self, port):
        self.port = port
        self.streams = None
        self.used = 0.0

    async def ask(self, path):
        """Code, body and head; the connection stays open for the next."""
        if not self.streams:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        self.used = time.monotonic()
        length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
        return int(head.split(" ", 2)[1]), (await reader.readexactly(length)).decode(), head

    def close(self):
        if self.streams:
            self.streams[1].close()
            self.streams = None


async def driven(site, path, rate, seconds, ended=None):
    """`rate` requests a second, the n-th for `path(n)`. A request that has no answer has the code 0."""
    ended = [] if ended is None else ended
    free, began, running = [], time.monotonic(), set()

    async def one(nth, due):
        global stood_still
        stood_still = max(stood_still, time.monotonic() - due)
        # The last used first; if that one is too old so are all others.
        while free and free[-1].used < time.monotonic() - FRESH:
            free.pop().close()
        connection = free.pop() if free else Connection(site.port)
        try:
            code, body, head = await asyncio.wait_for(connection.ask(path(nth)), 60)
        except (OSError, EOFError, asyncio.TimeoutError) as error:
            code, body, head = 0, repr(error), ""
            connection.close()
        ended.append(Ended(due - began, time.monotonic() - due, code, body, head))
        free.append(connection)

    for nth in range(round(rate * seconds)):
        due = began + nth / rate
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.ensure_future(one(nth, due))
        running.add(task)
        task.add_done_callback(running.discard)
    while running:
        await asyncio.wait(running)
    for connection in free:
        connection.close()
    return ended


def drive(site, path, rate, seconds):
    return asyncio.run(driven(site, path, rate, seconds))


def errors(ended):
    return [one for one in ended if one.code != 200]


def took_ms(ended):
    return [one.took * 1000 for one in ended]
