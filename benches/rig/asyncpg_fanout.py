"""A statement on three PostgreSQL databases in Python: asyncio, asyncpg and `gather`, a pool per process and database,
prepared once per connection. `asyncpg_fanout.py PROCESSES PORT POSTGRES`, the password of `skitai` in PGPASSWORD.

HTTP is as lean as it can be on asyncio's protocols: keep-alive, no framework, one answer after the other. What it costs is
the databases' client and the answer, not somebody's router.
"""
import asyncio
import json
import os
import socket
import sys
import time
from email.utils import formatdate
from operator import itemgetter
from urllib.parse import parse_qs, urlsplit

import asyncpg

# As the demo's handler waits.
WITHIN = 5
# The default of a database cluster, per member and instance; the processes share it out.
CONNECTIONS = 10
AT_LEAST = "SELECT name, country, population FROM cities WHERE population >= $1 ORDER BY population DESC, name"


async def cities(pools, at_least):
    asking = asyncio.gather(*(pool.fetch(AT_LEAST, at_least) for pool in pools))
    found = [row for rows in await asyncio.wait_for(asking, WITHIN) for row in rows]
    found.sort(key=itemgetter("name"))
    found.sort(key=itemgetter("population"), reverse=True)
    return json.dumps([dict(row) for row in found], ensure_ascii=False, separators=(",", ":")).encode()


class Http(asyncio.Protocol):
    def __init__(self, pools):
        self.pools = pools
        self.received = b""
        self.answering = None

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, _):
        if self.answering:
            self.answering.cancel()

    def data_received(self, data):
        self.received += data
        if not self.answering:
            self.next()

    def next(self):
        head, end, rest = self.received.partition(b"\r\n\r\n")
        self.answering = None
        if end:
            self.received = rest
            self.answering = asyncio.ensure_future(self.answer(head.split(b" ", 2)[1].decode()))

    async def answer(self, target):
        try:
            url = urlsplit(target)
            if url.path != "/cities":
                raise LookupError(target)
            code, body = "200 OK", await cities(self.pools, int(parse_qs(url.query)["at_least"][0]))
        except Exception as error:  # noqa: BLE001 - told to the client, whatever it is
            code, body = "500 Internal Server Error", json.dumps(str(error)).encode()
        head = f"HTTP/1.1 {code}\r\ncontent-length: {len(body)}\r\ncontent-type: application/json\r\ndate: {date()}\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.next()


def date(kept=[0, ""]):
    """The date's text, made once a second."""
    if (now := int(time.time())) != kept[0]:
        kept[:] = now, formatdate(now, usegmt=True)
    return kept[1]


async def serve(listener, postgres, each):
    login = {"host": "127.0.0.1", "port": postgres, "user": "skitai", "password": os.environ["PGPASSWORD"]}
    pools = [await asyncpg.create_pool(database=f"shard{shard}", min_size=each, max_size=each, **login) for shard in range(3)]
    server = await asyncio.get_running_loop().create_server(lambda: Http(pools), sock=listener)
    await server.serve_forever()


def main():
    processes, port, postgres = map(int, sys.argv[1:])
    for _ in range(processes - 1):
        if os.fork() == 0:
            break
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    asyncio.run(serve(listener, postgres, max(CONNECTIONS // processes, 1)))


if __name__ == "__main__":
    main()
