"""A client that does nothing wrong, in a process of its own: what it has to wait while others misbehave.

`healthy.py PORT RATE CONNECTIONS PATH BODY` asks for the path so often a second, over so many kept connections, until its
stdin ends. Each request begins when it is due and its time runs from then: what a stall holds up is in the figures. It
prints in JSON, at the end, when each was due (as the clock of the machine has it), how many milliseconds it took, whether
the answer was 200 with just that body, and the longest that a request began late with a connection free: then the machine
kept this process waiting.
"""
import asyncio
import json
import sys
import threading
import time

from load import Connection

PATIENCE = 30
# What is under way when it is told to end has so long.
LAST = 5

asked, unanswered, held_up = [], set(), 0.0


async def work(port, path, body, queue):
    global held_up
    connection = Connection(port)
    while True:
        waits = queue.empty()
        due = await queue.get()
        if waits:
            held_up = max(held_up, time.monotonic() - due)
        try:
            code, text, _ = await asyncio.wait_for(connection.ask(path), PATIENCE)
            is_right = code == 200 and text == body
        except (OSError, EOFError, ValueError, asyncio.TimeoutError):
            is_right = False
            connection.close()
        asked.append((due, (time.monotonic() - due) * 1000, is_right))
        unanswered.discard(due)
        queue.task_done()


async def main(port, rate, connections, path, body):
    over, queue = threading.Event(), asyncio.Queue()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    workers = [asyncio.ensure_future(work(port, path, body, queue)) for _ in range(connections)]
    began, nth = time.monotonic(), 0
    print("ready", flush=True)
    while not over.is_set():
        due = began + nth / rate
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        unanswered.add(due)
        queue.put_nowait(due)
        nth += 1
    try:
        await asyncio.wait_for(queue.join(), LAST)
    except asyncio.TimeoutError:
        pass
    for worker in workers:
        worker.cancel()
    asked.extend((due, (time.monotonic() - due) * 1000, False) for due in unanswered)
    print(json.dumps({"asked": asked, "held_up": held_up * 1000}), flush=True)


port, rate, connections, path, body = sys.argv[1:]
asyncio.run(main(int(port), float(rate), int(connections), path, body))
