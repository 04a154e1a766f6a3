"""What a server weighs and holds while something is done to it: memory and descriptors, from /proc, 50 times a second.

The descriptors are the server's side of the connections. A client that reads nothing does not learn that its connection
was ended: that news waits behind what it does not read.
"""
import os
import threading
import time

EVERY = 0.02
# More than this is not let happen to the machine, whatever is measured: the attack is called off. In MiB.
CEILING = 3072


class Watch:
    def __init__(self, site, ceiling=CEILING):
        self.site, self.ceiling = site, ceiling
        self.call_off = lambda: None
        self.peak = self.memory = site.memory()
        self.most = self.held = self.descriptors()
        self.is_called_off = False

    def __enter__(self):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.site.process.pid}/fd"))

    def look(self):
        while not self.over.wait(EVERY):
            try:
                self.memory, self.held = self.site.memory(), self.descriptors()
            except (OSError, StopIteration):
                # It has ended.
                return
            self.peak, self.most = max(self.peak, self.memory), max(self.most, self.held)
            if self.memory > self.ceiling and not self.is_called_off:
                self.is_called_off = True
                self.call_off()

    def anew(self):
        """The peaks from now on."""
        self.peak, self.most = self.memory, self.held

    def waits(self, what, until):
        """When it was so for the first time, or None if it is not so by then or there is nothing to wait for any more."""
        while time.monotonic() < until and self.site.process.poll() is None:
            if what():
                return time.monotonic()
            if self.is_called_off:
                return None
            time.sleep(EVERY)
        return None
