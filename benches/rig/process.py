"""Processes under measurement: started, waited for, their time and memory read from /proc, stopped."""
import contextlib
import os
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
# A program that has not opened its port by then does not start.
PATIENCE = 20


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def free_ports(count):
    """So many different ones."""
    with contextlib.ExitStack() as open_until_all_are_found:
        listeners = [open_until_all_are_found.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


class Process:
    """A program that serves a port. Its output is kept for the case that it does not start."""

    def __init__(self, command, port, folder, environment=None):
        self.command, self.port, self.folder, self.environment = command, port, folder, environment or {}
        self.output = os.path.join(folder, f"output-{port}")
        self.start()

    def start(self):
        command = [str(word) for word in self.command]
        with open(self.output, "wb") as output:
            self.child = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                          env={**os.environ, **self.environment})
        until = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.child.poll() is not None or time.monotonic() > until:
                    self.stop()
                    raise SystemExit(f"{command[0]} does not serve port {self.port}:\n{open(self.output).read()}")
            time.sleep(0.0005)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def cpu(self):
        return cpu(self.child.pid)

    def memory(self):
        """MiB of its own: pages shared with others count by their share."""
        kib = 0
        for pid in family(self.child.pid):
            for line in open(f"/proc/{pid}/smaps_rollup"):
                if line.startswith("Pss:"):
                    kib += int(line.split()[1])
        return kib / 1024

    def restart(self):
        self.stop()
        self.start()

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


def family(pid):
    """A process and all its descendants."""
    children = {}
    for other in filter(str.isdigit, os.listdir("/proc")):
        if fields := stat(other):
            children.setdefault(int(fields[1]), []).append(int(other))
    found, open_ends = [], [pid]
    while open_ends:
        one = open_ends.pop()
        found.append(one)
        open_ends += children.get(one, [])
    return found


def cpu(pid):
    """Seconds of processor time so far, user and system, of a family's living and of children that have ended."""
    return sum(sum(map(int, fields[11:15])) for one in family(pid) if (fields := stat(one))) / TICKS


def stat(pid):
    """The fields of /proc/PID/stat after the name, which may hold anything; None for a process that is gone."""
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    except OSError:
        return None
