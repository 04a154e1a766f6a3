"""Plays a service manager for one program, as systemd does: it opens sockets and hands them down from descriptor 3 on,
hears what it is told (`NOTIFY_SOCKET`), watches that it is told often enough (`WATCHDOG_USEC`), and starts the program
anew where its exit code asks for that.

Its argument is a JSON object:

- `program`, `folder`, `said`: the words of the program, where it runs, the file that gets its output;
- `notify`: the path of the socket for notices, or `@` and a name; none without it;
- `watchdog`: microseconds; a program that is silent for so long gets SIGABRT;
- `sockets`: of each its `kind` (`tcp`, `unix`, `datagram`, `idle`, `file`), of a Unix socket `path` and `mode`;
- `names`: those of the sockets; `environment`: variables in place of what it says itself;
- `again`: the exit codes after which the program is started anew.

It prints a JSON object per line: `sockets`, where they are; `pid`; `notice`, with its lines as an object, its sender's
`from` and its time `at` (CLOCK_MONOTONIC, in microseconds); `expired`; `exit`, negative for a signal. When its standard
input ends, so does the program.
"""
import fcntl
import json
import os
import signal
import socket
import struct
import sys
import threading
import time

plan = json.loads(sys.argv[1])
lock = threading.Lock()


def tell(**line):
    with lock:
        print(json.dumps(line), flush=True)


def opened(wanted):
    """A socket and its address."""
    kind = wanted["kind"]
    if kind == "file":
        return open(os.devnull, "rb"), ""
    if kind == "unix":
        made = socket.socket(socket.AF_UNIX)
        made.bind(wanted["path"])
        os.chmod(wanted["path"], wanted.get("mode", 0o660))
    else:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
        made.bind(("127.0.0.1", 0))
    if kind in ("tcp", "unix"):
        made.listen(128)
    address = made.getsockname()
    return made, address if kind == "unix" else address[1]


def started():
    child = os.fork()
    if child:
        return child
    try:
        environment = {name: value for name, value in os.environ.items() if name != "RUST_LOG"}
        own = str(os.getpid())
        if plan.get("notify"):
            environment["NOTIFY_SOCKET"] = plan["notify"]
        if plan.get("watchdog"):
            environment.update(WATCHDOG_USEC=str(plan["watchdog"]), WATCHDOG_PID=own)
        if sockets:
            environment.update(LISTEN_FDS=str(len(sockets)), LISTEN_PID=own, LISTEN_FDNAMES=plan.get("names", ""))
        environment.update(plan.get("environment", {}))
        os.chdir(plan["folder"])
        # Out of the way, before numbers are given.
        aside = [fcntl.fcntl(made.fileno(), fcntl.F_DUPFD, 200) for made, _ in sockets]
        said = os.open(plan["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.closerange(3, 200)
        for number, descriptor in enumerate(aside, 3):
            os.dup2(descriptor, number)
        os.closerange(200, 300)
        os.execve(plan["program"][0], plan["program"], environment)
    finally:
        os._exit(127)


def hear():
    """Reads notices until the one that says that the program has ended."""
    while True:
        data, ancillary, _, _ = notices.recvmsg(4096, socket.CMSG_SPACE(struct.calcsize("3i")))
        at = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        sender = struct.unpack("3i", ancillary[0][2])[0]
        if sender == os.getpid():
            heard.release()
            continue
        lines = [line.split("=", 1) for line in data.decode().split("\n") if line]
        if ["WATCHDOG", "1"] in lines or ["READY", "1"] in lines:
            watched.set()
        tell(notice=dict(lines), at=at, **{"from": sender})


def watch():
    """From the first notice on; of a process that has ended there is nobody to tell."""
    watched.wait()
    while True:
        watched.clear()
        if not watched.wait(plan["watchdog"] / 1e6) and child:
            tell(expired=child)
            os.kill(child, signal.SIGABRT)
            os.kill(child, signal.SIGCONT)
            return


def obey():
    sys.stdin.read()
    if child:
        os.kill(child, signal.SIGKILL)
    os._exit(0)


sockets = [opened(wanted) for wanted in plan.get("sockets", [])]
heard, watched = threading.Semaphore(0), threading.Event()
if plan.get("notify"):
    name = plan["notify"]
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    notices.bind("\0" + name[1:] if name.startswith("@") else name)
    threading.Thread(target=hear, daemon=True).start()
tell(sockets=[address for _, address in sockets])
child = started()
tell(pid=child)
threading.Thread(target=obey, daemon=True).start()
if plan.get("watchdog"):
    threading.Thread(target=watch, daemon=True).start()
while True:
    _, status = os.waitpid(child, 0)
    child, code = 0, os.waitstatus_to_exitcode(status)
    if plan.get("notify"):
        # What it said last comes before this.
        own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        own.sendto(b"END=1", notices.getsockname())
        heard.acquire()
    tell(exit=code)
    if code not in plan.get("again", []):
        break
    child = started()
    tell(pid=child)
# The sockets stay, until the test has looked at them.
threading.Event().wait()
