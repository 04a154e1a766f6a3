"""The programs: what must be installed, and what is built."""
import os
import shutil
import subprocess
import sys
from glob import glob
from pathlib import Path
from typing import NamedTuple


# Python with what the rows beside ours need.
PYENV = "target/pyenv-bench"


class Built(NamedTuple):
    root: Path
    folder: Path

    @property
    def python(self):
        return str(self.root / PYENV / "bin/python")

    def path(self, name):
        return str(self.folder / name)


def install(rows):
    """Installs what the rows need and is missing, or says how."""
    wanted = {"wrk": shutil.which("wrk"), "postgresql": postgres_folder(), "util-linux": shutil.which("runuser")}
    if "plproxy" in rows:
        # Of the newest version that is there, or of the one that is about to come.
        version = postgres_folder().split("/")[4] if postgres_folder() else "15"
        wanted[f"postgresql-{version}-plproxy"] = glob(f"/usr/lib/postgresql/{version}/lib/plproxy.so")
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


def install_python(root, rows):
    """asyncpg in an environment of its own."""
    if "asyncpg" in rows and not glob(str(root / PYENV / "lib/python*/site-packages/asyncpg")):
        subprocess.run([sys.executable, "-m", "venv", root / PYENV], check=True)
        subprocess.run([root / PYENV / "bin/pip", "install", "-q", "asyncpg"], check=True)


def postgres_folder():
    """Where PostgreSQL's server programs are; Debian keeps them out of PATH. None if nowhere."""
    debian = sorted(glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda path: int(path.split("/")[4]))
    found = debian[-1] if debian else shutil.which("initdb")
    return found and os.path.dirname(found)


def build(root):
    command = ["cargo", "build", "--locked", "--profile", "dist", "-p", "skitai-demo", "-p", "benches"]
    subprocess.run(command, cwd=root, check=True)
    return Built(root, Path(os.environ.get("CARGO_TARGET_DIR", root / "target")) / "dist")
