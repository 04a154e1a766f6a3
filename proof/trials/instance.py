"""A site with its supervisor, in a folder and from a file of its own, which can be replaced under it."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from rig.process import Process, free_port

from . import proxies
from .site import PASSWORD

PATIENCE = 60
# Of /proc/net/tcp.
LISTENS = "0A"
# How long the control closes its listener, in seconds.
CLOSED_FOR = 0.05


class Told(NamedTuple):
    code: int
    text: str
    took: float


class Instance:
    """`door` is `tcp`, or `unix`: then nginx stands before it, and `port` is nginx's."""

    def __init__(self, program, door="tcp", processes=1, keys=(), supervise="yes"):
        self.place = tempfile.TemporaryDirectory()
        self.folder, self.original, self.port = Path(self.place.name), program, free_port()
        # For nginx's processes, which may be another user's.
        self.folder.chmod(0o755)
        self.program, self.supervise, self.front, self.child = self.folder / "site", supervise, None, None
        shutil.copy2(self.original, self.program)
        listens = [f"listen = unix:{self.folder}/site.sock", "listen_mode = 0666", "trusted_proxies = unix"]
        Path(self.folder, "site.conf").write_text("\n".join([
            "[server]", *(listens if door == "unix" else ["ip = 127.0.0.1", f"port = {self.port}"]),
            f"processes = {processes}", "threads = 2", f"supervise = {supervise}",
            "securekey = a-key-of-the-proof-0123456789-abcdefghij", f"admin_password = {PASSWORD}", *keys,
            "[routes:line]", "/ = supervised"]) + "\n")
        self.log, self.door = self.folder / "log", door

    def refusal(self):
        """What the program has against this configuration; nothing if it can serve it."""
        told = self.tell("check")
        return told.text if told.code else ""

    def __enter__(self):
        try:
            self.start()
            if self.door == "unix":
                self.front = self.nginx()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.front:
            self.front.stop()
        if self.child and self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.place.cleanup()

    def start(self):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen([self.program, "-f", "site.conf"], cwd=self.folder, stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log)
        self.until(self.serves, "it serves")

    def serves(self):
        if self.child.poll() is not None:
            raise RuntimeError(f"the program did not start:\n{self.said()}")
        if self.supervise == "no":
            return any(state == LISTENS for *_, state in connections(self.port))
        told = self.tell("status", "--json")
        return told.code == 0 and json.loads(told.text)["state"] == "serving"

    def until(self, what, words):
        """Waits until it is so, and returns it."""
        until = time.monotonic() + PATIENCE
        while not (found := what()):
            if time.monotonic() > until:
                raise RuntimeError(f"not within {PATIENCE} s: {words}\n{self.said()}")
            time.sleep(0.01)
        return found

    def nginx(self):
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        pages = " ".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in kinds)
        # The upstream and its location are those of docs/CONFIG.md.
        Path(self.folder, "nginx.conf").write_text(f"""daemon off; pid {self.folder}/nginx.pid;
            error_log {self.folder}/errors; worker_processes 1; events {{ worker_connections 1000; }}
            http {{ {pages} access_log off;
            upstream site {{ server unix:{self.folder}/site.sock; keepalive 32; }}
            server {{ listen 127.0.0.1:{self.port};
            location / {{ proxy_pass http://site; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }} }}\n""")
        command = [proxies.found("nginx"), "-p", self.folder, "-c", self.folder / "nginx.conf"]
        return Process(command, self.port, self.folder)

    def tell(self, command, *words):
        """A command of the program, as one types it."""
        began = time.monotonic()
        ran = subprocess.run([self.program, command, "-f", "site.conf", *words], cwd=self.folder, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        return Told(ran.returncode, ran.stdout, time.monotonic() - began)

    def status(self):
        told = self.tell("status", "--json")
        if told.code:
            raise RuntimeError(f"status: {told.text}\n{self.said()}")
        return json.loads(told.text)

    def serving(self):
        """The processes that serve."""
        if self.supervise == "no":
            return [self.child.pid]
        return [one["pid"] for one in self.status()["processes"] if one["state"] == "serving"]

    def reload(self):
        return self.tell("reload", "--wait")

    def upgrade(self):
        """Another file of the same program takes the place of the one that runs."""
        shutil.copy2(self.original, self.folder / "site.new")
        os.rename(self.folder / "site.new", self.program)
        return self.tell("upgrade", "--wait")

    def said(self):
        """The log so far, without its colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text(errors="replace"))


class Control(Instance):
    """A site without a supervisor that is reloaded as one does it then: the old process is told to end, which closes
    its listening socket and drains; `CLOSED_FOR` later a new one opens it."""

    def __init__(self, program, keys=()):
        super().__init__(program, keys=keys, supervise="no")
        # The processes that drain, and for how long nobody listened each time.
        self.left, self.closed = [], []

    def reload(self):
        began = time.monotonic()
        self.left.append(self.child)
        self.child.terminate()
        self.until(lambda: not any(state == LISTENS for *_, state in connections(self.port)), "it accepts nothing more")
        closed = time.monotonic()
        time.sleep(CLOSED_FOR)
        self.start()
        self.closed.append(time.monotonic() - closed)
        return Told(0, "", time.monotonic() - began)

    upgrade = reload

    def __exit__(self, *_):
        super().__exit__()
        for child in self.left:
            child.wait(PATIENCE)


def connections(port, sockets=None):
    """Of every socket of the machine with this port at its own end: the port of the other end, its inode, its state."""
    for line in (sockets or Path("/proc/net/tcp").read_text()).splitlines()[1:]:
        words = line.split()
        if int(words[1].split(":")[1], 16) == port:
            yield int(words[2].split(":")[1], 16), words[9], words[3]


def kill(pid, port):
    """Kills a process. Returns when, the ports of the clients whose connections it held, and how long it was stopped
    before, so that it neither accepts nor closes one while they are looked up."""
    stopped = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    while Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
        time.sleep(0.0005)
    own = {os.readlink(f"/proc/{pid}/fd/{descriptor}") for descriptor in os.listdir(f"/proc/{pid}/fd")}
    # It is read now and understood later: requests pile up meanwhile.
    sockets = Path("/proc/net/tcp").read_text()
    at = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    held = {other for other, inode, state in connections(port, sockets)
            if f"socket:[{inode}]" in own and state != LISTENS}
    return at, held, at - stopped


def memory(pid):
    """MiB of a process: its share of all it uses, its own alone, and all."""
    rows = dict(re.findall(r"^(\w+): +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M))
    kib = {name: int(number) for name, number in rows.items()}
    return kib["Pss"] / 1024, (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024, kib["Rss"] / 1024
