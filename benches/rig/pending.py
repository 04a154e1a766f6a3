"""What a member call costs in memory while its member does not answer: this server beside the hand-written fan-out."""
import os
import resource
import socket
import statistics
import sys
import tempfile
import time
from typing import NamedTuple

from .comparison import verdict
from .process import Process, free_port, free_ports
from .scene import MANY, get

CLIENTS = 200
CALLS = CLIENTS * MANY
TIMES = 3
BOUND = 1.20
# Descriptors of a server besides those of the calls.
SPARE = 500
# Requests that are answered before anything is weighed: each worker has its client and has grown what it keeps.
WARM_UP = 20
# Seconds: how long every side waits for its members, and the most that may pass until all calls hang.
WITHIN = 120
PATIENCE = 30
# What is only there while a connection is made has gone by then.
SETTLE = 3

CONF = """[server]
ip = 127.0.0.1
port = {port}
threads = {threads}
supervise = no
deadline = {within}

[@mysearch]
members = {members}
connections = {connections}
member_timeout = {within}

[routes:line]
/ = patient
"""


class Weight(NamedTuple):
    """Of one server, in MiB."""
    before: float
    all_pending: float

    @property
    def each(self):
        return (self.all_pending - self.before) / CALLS


def run(built):
    """Measures and prints; true when the bound is kept."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and most < CALLS + CLIENTS + SPARE:
        raise SystemExit(f"pending: {CALLS + CLIENTS + SPARE} open files are needed, {most} are allowed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sides = {"lean awc fan-out to 20": lean, "map over 20 XML-RPC members": site}
    weights = {name: [] for name in sides}
    for number in range(TIMES):
        print(f"pending, {number + 1} of {TIMES}", file=sys.stderr)
        answers = []
        for name, start in sides.items():
            with tempfile.TemporaryDirectory(prefix="skitai-bench.") as folder:
                weight, answer = weigh(built, folder, start)
            weights[name].append(weight)
            answers.append(answer)
        if answers[0] != answers[1]:
            raise SystemExit(f"the baseline answers\n{answers[0]}\nbut the server\n{answers[1]}")
    print(f"\n{CLIENTS} requests × {MANY} members that do not answer: {CALLS} calls at the members on each side; "
          f"median of {TIMES}, each in a new process\n")
    print(f"{'':28}{'KiB/call':>12}{'MiB before':>12}{'all pending':>13}")
    for name, taken in weights.items():
        each, before, after = (statistics.median(column) for column in zip(*((one.each, *one) for one in taken)))
        print(f"{name:28}{each * 1024:12.2f}{before:12.1f}{after:13.1f}")
    print(f"\n{'':42}{'ratio':>7}{'of the times':>16}{'bound':>8}")
    theirs, ours = weights.values()
    ratios = [our.each / their.each for our, their in zip(ours, theirs)]
    return verdict("memory per pending member call / lean", ratios, BOUND)


def weigh(built, folder, start):
    """The weight of one side, and what it answered while the members still did. Everything is new: an allocator that has
    been full before would have given nothing back."""
    threads, ports = os.cpu_count(), free_ports(MANY)
    member = Process([built.path("member"), threads, *ports], ports[0], folder)
    started, clients = [member], []
    try:
        server = start(built, folder, threads, ports)
        started.append(server)
        for _ in range(WARM_UP):
            answer = get(server, "/search?keyword=Mozart")
        time.sleep(SETTLE)
        before = server.memory()
        get(member, "/hold")
        for _ in range(CLIENTS):
            clients.append(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
            clients[-1].sendall(b"GET /search?keyword=Mozart HTTP/1.1\r\nHost: bench\r\n\r\n")
        until = time.monotonic() + PATIENCE
        while held(member) != CALLS:
            if time.monotonic() > until:
                raise SystemExit(f"{os.path.basename(server.child.args[0])}: {held(member)} of {CALLS} calls reached the "
                                 f"members within {PATIENCE} s")
            time.sleep(0.1)
        time.sleep(SETTLE)
        weight = Weight(before, server.memory())
        if (left := held(member)) != CALLS:
            raise SystemExit(f"{CALLS - left} of {CALLS} calls ended before they were weighed")
        return weight, answer
    finally:
        for client in clients:
            client.close()
        for process in reversed(started):
            # Asked to end they would wait for the calls.
            process.child.kill()
            process.stop()


def held(member):
    return int(get(member, "/held")[-1])


def lean(built, folder, threads, members):
    port = free_port()
    return Process([built.path("lean-fanout"), threads, port, *members], port, folder,
                   {"WITHIN": str(WITHIN), "CONNECTIONS": str(CLIENTS * threads)})


def site(built, folder, threads, members):
    port, path = free_port(), f"{folder}/patient.conf"
    with open(path, "w") as conf:
        conf.write(CONF.format(port=port, threads=threads, within=WITHIN, connections=CLIENTS * threads,
                               members=", ".join(f"127.0.0.1:{member}" for member in members)))
    return Process([built.path("patient-site"), "-f", path], port, folder)
