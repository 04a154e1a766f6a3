"""Threads that ask until the one who started this process has seen enough."""
import sys


def until_told(threads, over, patience=None):
    """Starts the threads, says `ready`, and waits for the end of stdin; then sets `over` and waits for each of them."""
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join(patience)
