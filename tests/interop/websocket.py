"""Talks to the demo's WebSocket: what is said comes back, in order, whole, and the connection ends as it should.

websocket.py PORT [AUTHORITY]: over TLS, if there is an authority of its certificate

With asyncio: the other client of the package reads and writes in two threads, and CPython's TLS connections do not bear
that (its issue 143756): one run of some hundred failed with "unexpected message" or a lost end.
"""
import asyncio
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

port = sys.argv[1]
context = ssl.create_default_context(cafile=sys.argv[2]) if len(sys.argv) > 2 else None
base = f"wss://localhost:{port}" if context else f"ws://127.0.0.1:{port}"


async def talk():
    async with connect(f"{base}/websocket/echo", proxy=None, ssl=context) as socket:
        for said in ["hello", "größer", b"\x00\xff", "x" * 60_000]:
            await socket.send(said)
            assert await asyncio.wait_for(socket.recv(), 10) == said, said[:20]
        await asyncio.wait_for(await socket.ping(), 10)
    print(socket.close_code)
    try:
        await connect(f"{base}/websocket/nowhere", proxy=None, ssl=context)
    except InvalidStatus as refused:
        print(refused.response.status_code)


asyncio.run(talk())
