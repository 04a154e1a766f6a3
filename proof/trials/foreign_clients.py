"""Clients of others, who offer an upgrade that nobody takes, or have to notice that an answer was cut.

Java's client and `curl --http2` offer h2c with an ordinary request, Chromium asks a plain page for a WebSocket. An offer is
no obligation: the request is answered as if it had not been made. `curl -0` and nginx (its default towards a server) speak
HTTP/1.0, in which the end of the connection is the end of the body: only a reset says that there was to be more.
"""
import contextlib
import http.server
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rig import programs
from rig.process import Process, free_port

from . import proxies
from .attacks import clocks
from .site import Site

HERE = Path(__file__).parent
POSTS = 1000
EACH = 50
# 64 KiB each.
PIECES = 20
WHOLE = "/pieces?pieces=20&millis=1"
CUT = WHOLE + "&end=fails"
# Of curl: the rest was missing; the connection was reset.
NOTICED = (18, 56)
# The most a browser may wait for its refusal: well below every clock. In seconds.
PROMPT = 2.0
# The most a browser may take to start.
START = 60

# What each trial needs: the program, and Debian's package of it.
NEEDS = {"java": {"javac": "default-jdk-headless"}, "curl": {"curl": "curl"},
         "nginx": {"nginx": "nginx-light", "curl": "curl"}, "chromium": {"chromium": "chromium"}}
VERSION = {"javac": "-version", "curl": "-V", "nginx": "-v", "chromium": "--version", "postgres": "--version"}


def install(chosen):
    """Installs what the chosen trials need and is missing, or says how."""
    if "row readers" in chosen and not programs.postgres_folder():
        programs.install(set())
    proxies.install({name: package for trial in chosen for name, package in NEEDS.get(trial, {}).items()}, "proof/connections")


def versions(chosen):
    wanted = {name for trial in chosen for name in NEEDS.get(trial, {})}
    places = {name: proxies.found(name) for name in wanted}
    if "row readers" in chosen:
        places["postgres"] = os.path.join(programs.postgres_folder(), "postgres")
    for name, place in sorted(places.items()):
        told = subprocess.run([place, VERSION[name]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        number = re.search(r"[0-9]+[.][0-9][^ \n]*", told)
        yield f"{name} {number[0] if number else told.strip()[:40]}"


def java(report, options):
    """1 000 POSTs of Java's HttpClient, which offers h2c."""
    count = 200 if options.quick else POSTS
    with Site(options, keys=clocks(options), app="demo") as site:
        ran = subprocess.run([proxies.found("java"), HERE / "Posts.java", str(site.port), str(count)], text=True,
                             capture_output=True, timeout=300)
    if ran.returncode:
        raise RuntimeError(f"java: {ran.stderr}")
    counts, failures = ran.stdout.splitlines()[:2]
    right, wrong, failed = map(int, counts.split())
    report.note(f"what failed: {failures[:400]}")
    report.bound("right answers", right, count, at_least=True)
    report.bound("wrong answers", wrong, 0)
    report.bound("calls that failed", failed, 0)


def curl(report, options):
    """curl: an offer of h2c, and in HTTP/1.0 streams that are cut."""
    with Site(options, keys=clocks(options), app="demo") as site:
        # Two requests over one connection: the second tells whether the first left it in order.
        twice = [f"http://127.0.0.1:{site.port}/add"] * 2
        post = ["--http2", "-H", "Content-Type: application/json", "-d", '{"a": 1200, "b": 34}']
        told = [curled(*post, "-w", "|%{http_code}|%{num_connects}\n", *twice) for _ in range(EACH)]
        report.bound("pairs of POSTs with an offer of h2c: both answers right",
                     sum(code == 0 and re.findall(rb"(\d+)\|(\d+)\|", body) == [(b"1234", b"200")] * 2
                         for code, body in told), EACH, at_least=True)
        kept = sum(body.endswith(b"|0\n") for _, body in told)
        report.note(f"the second of a pair went over the same connection {kept} times")
        told = [curled("--http2", "-w", "|%{http_code}", f"http://127.0.0.1:{site.port}/hello") for _ in range(EACH)]
        report.bound("GETs with an offer of h2c, answers right",
                     sum(found == (0, b"Hello World|200") for found in told), EACH, at_least=True)
    with Site(options, keys=clocks(options)) as site:
        for version, word in (("-0", "HTTP/1.0"), ("--http1.1", "HTTP/1.1")):
            cuts(report, word, [version], site.port)


def nginx(report, options):
    """nginx with its defaults (HTTP/1.0 to the server) notices every cut of a stream."""
    with Site(options, keys=clocks(options)) as site, tempfile.TemporaryDirectory() as folder:
        port = free_port()
        pages = [f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
        # Nothing is said of how to speak to the server: the defaults are what is tried.
        Path(folder, "nginx.conf").write_text(f"""daemon off; master_process off; pid {folder}/pid;
            error_log {folder}/errors info; events {{ worker_connections 500; }}
            http {{ {' '.join(pages)} access_log off; server {{ listen 127.0.0.1:{port};
            location / {{ proxy_pass http://127.0.0.1:{site.port}; }} }} }}\n""")
        with contextlib.closing(Stopped([proxies.found("nginx"), "-p", folder, "-c", f"{folder}/nginx.conf"], port, folder)):
            cuts(report, "through nginx", [], port)
        errors = Path(folder, "errors").read_text(errors="replace")
    noticed = len(re.findall(r"reset by peer|prematurely closed", errors))
    report.bound("cuts in nginx's own log", noticed, EACH, at_least=True)


class Stopped(Process):
    def close(self):
        self.stop()


def curled(*words):
    """curl's exit code, and what came."""
    ran = subprocess.run([proxies.found("curl"), "-sN", "--noproxy", "*", "-m", "30", *words], stdout=subprocess.PIPE)
    return ran.returncode, ran.stdout


def cuts(report, word, words, port):
    """As many cut streams as whole ones."""
    with ThreadPoolExecutor(4) as pool:
        def all_of(path):
            return list(pool.map(lambda _: curled(*words, f"http://127.0.0.1:{port}{path}"), range(EACH)))
        whole, cut = all_of(WHOLE), all_of(CUT)
    codes = sorted({code for code, _ in cut})
    report.note(f"{word}: curl's exit codes of cut streams: {codes}; they had {min(len(body) for _, body in cut)} to "
                f"{max(len(body) for _, body in cut)} octets")
    report.bound(f"{word}: whole streams, all octets and no error",
                 sum(code == 0 and body == b"x" * (PIECES << 16) for code, body in whole), EACH, at_least=True)
    report.bound(f"{word}: cut streams that curl reports as an error", sum(code in NOTICED for code, _ in cut), EACH,
                 at_least=True)


PAGE = """<!doctype html><title>WebSockets</title><script>
const began = performance.now();
function tell(which, what) {
    fetch(`/told?which=${which}&what=${encodeURIComponent(what)}&ms=${performance.now() - began}`);
}
const page = new WebSocket("ws://127.0.0.1:PORT/hello");
page.onopen = () => tell("page", "open");
page.onerror = () => tell("page", "error");
const echo = new WebSocket("ws://127.0.0.1:PORT/websocket/echo");
echo.onopen = () => echo.send("Grüße");
echo.onmessage = event => tell("echo", event.data);
echo.onerror = () => tell("echo", "error");
</script>"""


def chromium(report, options):
    """Chromium asks a plain page for a WebSocket, and a WebSocket for one."""
    with Site(options, keys=clocks(options), app="demo") as site, Teller(site.port) as teller, \
            tempfile.TemporaryDirectory() as folder, browsed(folder, teller.url):
        until = time.monotonic() + START
        while len(teller.told) < 2 and time.monotonic() < until:
            time.sleep(0.05)
    what, took = teller.told.get("page", ("nothing", float("inf")))
    report.holds("a plain page: the browser is told that it is none", what == "error", what)
    report.bound("after", took / 1000, PROMPT, "s")
    what, took = teller.told.get("echo", ("nothing", float("inf")))
    report.holds("a WebSocket, meanwhile: it says everything back", what == "Grüße", what)


class Teller:
    """A server of one page, which tells it what became of its WebSockets."""

    def __init__(self, port):
        told = self.told = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path, _, query = self.path.partition("?")
                if path == "/told":
                    said = dict(urllib.parse.parse_qsl(query))
                    told.setdefault(said["which"], (said["what"], float(said["ms"])))
                body = PAGE.replace("PORT", str(port)).encode() if path == "/" else b""
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Nobody reads it."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def browsed(folder, url):
    """Chromium at a page, with nothing to reach but this machine. It ends with all the processes it started."""
    browser = subprocess.Popen([
        proxies.found("chromium"), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-port=0",
        f"--user-data-dir={folder}/user", url,
    ], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()
        # Its helpers are still letting go of the folder.
        time.sleep(0.5)


TRIALS = {"java": java, "curl": curl, "nginx": nginx, "chromium": chromium}
# Java loses some of its posts to such a build, not certainly; the browser waits for `body_timeout`.
MISSED_WITHOUT = {"chromium": ["after"]}
