"""Where a run was made, in words that fit any machine."""
import os
import platform
import re
import subprocess
from datetime import datetime, timezone


def described(root):
    cpu = re.search(r"model name\s*:\s*(.*)", open("/proc/cpuinfo").read())
    memory = re.search(r"MemTotal:\s*(\d+)", open("/proc/meminfo").read())
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.split()[1]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True).stdout
    return "\n".join([
        f"benches/run, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit.strip() or 'unknown'}",
        f"{os.cpu_count()} cores, {cpu[1] if cpu else platform.machine()}, {int(memory[1]) >> 20} GiB, "
        f"{platform.system()} {platform.release()}, rustc {rust}, load {os.getloadavg()[0]:.1f} before the start",
    ])
