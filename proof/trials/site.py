"""The program under test in a folder of its own."""
import base64
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a-password-of-the-proof"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def program_of(options, app):
    """The binary that has the app, or the one that the command line names: for the app, or for whatever is asked for."""
    if named := getattr(options, app, None) or getattr(options, "program", None):
        return Path(named).resolve()
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / ("dist" if options.dist else "debug")
    return target / {"testsite": "examples/testsite", "demo": "skitai-demo"}[app]


class Site:
    def __init__(self, options, *sections, threads=2, deadline=30, keys=(), folders=(), app="testsite",
                 files=0):
        self.folder = tempfile.TemporaryDirectory()
        for folder in folders:
            Path(self.folder.name, folder).mkdir()
        self.port = free_port()
        server = ["[server]", "ip = 127.0.0.1", f"port = {self.port}", f"threads = {threads}", f"deadline = {deadline}",
                  "securekey = a-key-of-the-proof-0123456789-abcdefghij", f"admin_password = {PASSWORD}",
                  # Proofs read which member it was.
                  "coverage_detail = names",
                  # What is measured and killed is the process that serves. A build from before supervisors has none.
                  *(["supervise = no"] if not getattr(options, "control", False)
                    and not any(key.startswith("supervise") for key in keys) else []),
                  *keys, "[routes:line]", f"/ = {app}"]
        Path(self.folder.name, "proof.conf").write_text("\n".join([*server, *sections]) + "\n")
        self.log = open(Path(self.folder.name, "log"), "w+b")
        # So many descriptors and no more; without a number as many as we have ourselves.
        limit = ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh"] if files else []
        self.process = subprocess.Popen([*limit, program_of(options, app), "-f", "proof.conf"], cwd=self.folder.name,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.wait()

    def wait(self):
        for _ in range(1000):
            if self.process.poll() is not None:
                break
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.01)
        self.log.seek(0)
        raise RuntimeError(f"the program did not start:\n{self.log.read().decode()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.folder.cleanup()

    def get(self, path, headers=None):
        """Code, body and seconds of one request."""
        began = time.monotonic()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers or {})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as reply:
                return reply.status, reply.read().decode(), time.monotonic() - began
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), time.monotonic() - began

    def known(self, cluster="members"):
        """What the status page says of a cluster's members."""
        login = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        _, body, _ = self.get("/status", {"Authorization": f"Basic {login}", "Accept": "application/json"})
        return json.loads(body)["clusters"][cluster]["members"]

    def said(self):
        """The log so far."""
        return Path(self.folder.name, "log").read_text(errors="replace")

    def memory(self):
        """MiB in use."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
