"""What the demo costs before anybody asks anything: memory when idle, and the time to its first answer."""
import http.client
import os
import statistics
import tempfile
import time

from . import machine
from .process import Process, free_port

MEMORY_BOUND = 25  # MiB
START_BOUND = 100  # milliseconds
STARTS = 9
# One of each kind, so that connections and pools are there.
TOUCHED = ["/", "/hello", "/search?keyword=Mozart", "/cities?at_least=5000000"]
# What has to end by itself has ended by then.
SETTLE = 2

PLAIN = """[server]
ip = 127.0.0.1
port = {port}
supervise = no

[routes:line]
/ = demo
"""


def run(built):
    """Measures and prints; true when every bound is kept."""
    kept = True
    machine.together()
    with tempfile.TemporaryDirectory(prefix="skitai-bench.") as folder:
        demo = built.path("skitai-demo")
        # The first start fills the shards and makes the keys.
        first, *others = [start(folder, demo) for _ in range(STARTS + 1)]
        typical = statistics.median(others)
        print(f"\nfrom exec to the first answer, own members included: {typical:.1f} ms, slowest of {STARTS} "
              f"{max(others):.1f} ms (very first start {first:.1f} ms)", end="")
        kept &= verdict(max(others), START_BOUND, "ms")
        kept &= idle("default configuration, own members included", folder, demo, [], TOUCHED)
        conf, port = os.path.join(folder, "plain.conf"), free_port()
        with open(conf, "w") as file:
            file.write(PLAIN.format(port=port))
        kept &= idle("plain conf without clusters", folder, demo, ["-f", conf], TOUCHED[:2])
    return kept


def start(folder, demo):
    """Milliseconds from exec to the end of the first answer."""
    port = free_port()
    began = time.monotonic()
    process = Process([demo, "-p", port], port, folder)
    try:
        answer(port, "/hello")
        return (time.monotonic() - began) * 1000
    finally:
        process.stop()


def idle(name, folder, demo, arguments, touched):
    port = free_port()
    process = Process([demo, *arguments, "-p", port], port, folder)
    try:
        time.sleep(SETTLE)
        untouched = process.memory()
        for path in touched:
            answer(port, path)
        time.sleep(SETTLE)
        memory = process.memory()
        print(f"idle memory, {name}: {memory:.1f} MiB (PSS; {untouched:.1f} before the first request)", end="")
        return verdict(memory, MEMORY_BOUND, "MiB")
    finally:
        process.stop()


def answer(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        raise SystemExit(f"{path} was answered with {response.status}")
    connection.close()


def verdict(figure, bound, unit):
    kept = figure <= bound
    print(f", bound {bound} {unit}: {'kept' if kept else 'MISSED'}")
    return kept
