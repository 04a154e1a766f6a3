"""Where a run was made, in words that fit any machine."""
import os
import platform
import re
import subprocess
from datetime import datetime, timezone

# The servers under measurement have the first half of the processors to themselves; load, members and databases have the
# others. Where they share, what is measured is who was interrupted by whom: ratios of one and the same pair of programs
# spread over half their size.
ALL = sorted(os.sched_getaffinity(0))
SERVERS = ALL[:max(1, len(ALL) // 2)]
OTHERS = ALL[len(SERVERS):] or ALL


def apart():
    """This process and what it starts keep off the servers' processors."""
    os.sched_setaffinity(0, OTHERS)


def together():
    """What is started from now on has the whole machine, as a user's server has."""
    os.sched_setaffinity(0, ALL)


def alone(command):
    """The command of a server, on the servers' processors."""
    return ["taskset", "-c", ",".join(map(str, SERVERS)), *command]


def described(root):
    cpu = re.search(r"model name\s*:\s*(.*)", open("/proc/cpuinfo").read())
    memory = re.search(r"MemTotal:\s*(\d+)", open("/proc/meminfo").read())
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.split()[1]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True).stdout
    return "\n".join([
        f"benches/run, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit.strip() or 'unknown'}",
        f"{len(ALL)} cores, {len(SERVERS)} of them the servers' own, {cpu[1] if cpu else platform.machine()}, {int(memory[1]) >> 20} GiB, "
        f"{platform.system()} {platform.release()}, rustc {rust}, load {os.getloadavg()[0]:.1f} before the start",
    ])
