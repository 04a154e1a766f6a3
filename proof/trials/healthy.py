"""A client that does nothing wrong, in a process of its own: what it has to wait while others misbehave.

`healthy.py PORT RATE CONNECTIONS PATH BODY [anew]` asks for the path so often a second, over so many kept connections, or
(`anew`) over a connection for each, until its stdin ends. A request does not wait for the answers of those before it, and its time runs whether a connection is free or
not: what a stall of the server holds up is in the figures. What the machine held up before the request could be made is
not, it is told apart. At the end it prints, in JSON, when each began (as the clock of the machine has it), how many
milliseconds it took, whether the answer was 200 with just that body, and the longest that the machine held up one.
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
    connection = Connection(port)
    while True:
        began = await queue.get()
        try:
            code, text, _ = await asyncio.wait_for(connection.ask(path), PATIENCE)
            is_right = code == 200 and text == body
            if connects_anew:
                connection.close()
        except (OSError, EOFError, ValueError, asyncio.TimeoutError):
            is_right = False
            connection.close()
        asked.append((began, (time.monotonic() - began) * 1000, is_right))
        unanswered.discard(began)
        queue.task_done()


async def main(port, rate, connections, path, body):
    global held_up
    over, queue = threading.Event(), asyncio.Queue()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    threads = [asyncio.ensure_future(work(port, path, body, queue)) for _ in range(connections)]
    began, nth = time.monotonic(), 0
    print("ready", flush=True)
    while not over.is_set():
        due = began + nth / rate
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        now = time.monotonic()
        held_up = max(held_up, now - due)
        unanswered.add(now)
        queue.put_nowait(now)
        nth += 1
    try:
        await asyncio.wait_for(queue.join(), LAST)
    except asyncio.TimeoutError:
        pass
    for thread in threads:
        thread.cancel()
    asked.extend((one, (time.monotonic() - one) * 1000, False) for one in unanswered)
    print(json.dumps({"asked": asked, "held_up": held_up * 1000}), flush=True)


port, rate, connections, path, body = sys.argv[1:6]
connects_anew = sys.argv[6:] == ["anew"]
asyncio.run(main(int(port), float(rate), int(connections), path, body))
