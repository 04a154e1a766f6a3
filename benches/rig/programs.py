"""The programs: what must be installed, and what is built."""
import os
import shutil
import subprocess
import sys
from glob import glob
from pathlib import Path
from typing import NamedTuple


class Built(NamedTuple):
    root: Path
    folder: Path

    def path(self, name):
        return str(self.folder / name)


def install():
    """Installs wrk and PostgreSQL where they are missing, or says how."""
    wanted = {"wrk": shutil.which("wrk"), "postgresql": postgres_folder(), "util-linux": shutil.which("runuser")}
    missing = [package for package, found in wanted.items() if not found]
    if not missing:
        return
    line = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"missing: {', '.join(missing)}. Run this, then benches/run again:\n    sudo sh -c '{line}'")
    if "postgresql" in missing:
        # Debian's package makes a cluster and starts it at boot. The benchmark brings its own.
        line = line.replace("&& ", "&& apt-get install -y --no-install-recommends postgresql-common && sed -i -E "
                            "'s/^#?[[:space:]]*create_main_cluster.*/create_main_cluster = false/' "
                            "/etc/postgresql-common/createcluster.conf && ", 1)
    subprocess.run(line, shell=True, check=True, stdout=sys.stderr, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def postgres_folder():
    """Where PostgreSQL's server programs are; Debian keeps them out of PATH. None if nowhere."""
    debian = sorted(glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda path: int(path.split("/")[4]))
    found = debian[-1] if debian else shutil.which("initdb")
    return found and os.path.dirname(found)


def build(root):
    subprocess.run(["cargo", "build", "--locked", "--release", "-p", "skitai-demo", "-p", "benches"], cwd=root, check=True)
    return Built(root, Path(os.environ.get("CARGO_TARGET_DIR", root / "target")) / "release")
