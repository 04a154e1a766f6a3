"""What outlives a handshake: sessions that are resumed at other processes, certificates that change, and a new one by
an exchange of ACME that is played here. The site has four processes of one thread under a supervisor."""
import contextlib
import http.client
import json
import re
import secrets
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

from rig.process import Process, free_port

from . import authority

PROCESSES = 4
CONF = """[server]
ip = 127.0.0.1
port = {port}
processes = {processes}
threads = 1
supervise = yes
drain_idle = 100ms
securekey = a-key-of-the-proofs-0123456789-abcdefghij
ssl = yes
redirect_http = {clear}
acme_webroot = {folder}/webroot
[certification]
certfile = {folder}/site.pem
keyfile = {folder}/site.key
[routes:line]
/ = testsite
/process = supervised
"""
REQUEST = "GET /process/pid HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
# A rotation: how long the old certificate may still be shown, in seconds, and how long we watch.
MOST, WATCHED = 3, 4
ROTATIONS, LOOPS = 10, 4


class Supervised:
    """A site of the test's app, with a certificate of our authority."""

    def __init__(self, folder, program):
        self.folder, self.program = folder, program
        self.port, self.clear = free_port(), free_port()
        Path(folder, "webroot").mkdir(exist_ok=True)
        Path(folder, "lives.conf").write_text(CONF.format(port=self.port, clear=self.clear, folder=folder,
                                                          processes=PROCESSES))
        self.process = Process([program, "-f", "lives.conf"], self.port, folder)
        until = time.monotonic() + 30
        while self.serving() < PROCESSES:
            if time.monotonic() > until:
                raise SystemExit("its processes do not serve")
            time.sleep(0.1)

    def command(self, *words):
        words = [self.program, *words, "-f", "lives.conf"]
        return subprocess.run(words, cwd=self.folder, capture_output=True, text=True)

    def serving(self):
        told = self.command("status", "--json")
        with contextlib.suppress(ValueError):
            return sum(one["state"] == "serving" for one in json.loads(told.stdout)["processes"])
        return 0

    def done(self, word):
        told = self.command(word, "--wait")
        if told.returncode:
            raise SystemExit(f"{word}: {told.stdout}{told.stderr}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()


def s_client(site, *words):
    """A handshake by openssl with a request; what it printed."""
    client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-servername", "localhost",
                               "-CAfile", f"{site.folder}/ca.pem", *words],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    client.stdin.write(REQUEST.encode())
    client.stdin.flush()
    # The server closes behind its answer, and its input must not end before.
    told = client.stdout.read().decode("latin-1")
    client.stdin.close()
    client.wait()
    return told


def resumption(report, folder, program):
    """Sessions are resumed at whichever process, and after an upgrade."""
    report.begin("resumption", f"openssl s_client, one session over {PROCESSES} processes, and after an upgrade.")
    with Supervised(folder, program) as site:
        for version in ("tls1_3", "tls1_2"):
            session = Path(folder, f"session-{version}")
            told = s_client(site, f"-{version}", "-sess_out", session)
            if "\nNew, TLSv1." not in told or " 200 OK" not in told:
                raise SystemExit(told)
        before = site.process.child.pid
        for when, count in (("over the processes", 40), ("after an upgrade", 10)):
            if when == "after an upgrade":
                site.done("upgrade")
            for version in ("tls1_3", "tls1_2"):
                session, reused, by = Path(folder, f"session-{version}"), 0, set()
                for _ in range(count):
                    told = s_client(site, f"-{version}", "-sess_in", session)
                    reused += "\nReused, TLSv1." in told and " 200 OK" in told
                    by.update(re.findall(r"\r\n\r\n(\d+)", told))
                report.bound(f"{when}, {version}: of {count} resumptions reused", reused, count, at_least=True)
                report.holds(f"{when}, {version}: by more than one process", len(by) > 1, len(by))
        report.holds("the supervisor is the same process", site.process.child.poll() is None
                     and site.process.child.pid == before)


class Handshakes:
    """Whole handshakes with a request each, one after the other, and which certificate each was shown when."""

    def __init__(self, site):
        self.site, self.shown, self.failures, self.ends = site, [], [], threading.Event()
        self.threads = [threading.Thread(target=self.loop) for _ in range(LOOPS)]
        for thread in self.threads:
            thread.start()

    def loop(self):
        while not self.ends.is_set():
            try:
                self.shown.append((time.monotonic(), serial(self.site)))
            except (OSError, ValueError) as error:
                self.failures.append(repr(error))

    def end(self):
        self.ends.set()
        for thread in self.threads:
            thread.join()


def serial(site):
    """The serial number that a new connection is shown. It asks for something, too."""
    context = ssl.create_default_context(cafile=f"{site.folder}/ca.pem")
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as conn:
            conn.sendall(REQUEST.encode())
            if b" 200 OK" not in conn.recv(4096):
                raise ValueError("no answer")
            return conn.getpeercert()["serialNumber"]


def rotation(report, folder, program):
    """Certificates are replaced under new handshakes, and by nothing but their files."""
    report.begin("rotation", f"{ROTATIONS} certificates, one after the other, under {LOOPS} loops of whole handshakes.")
    with Supervised(folder, program) as site:
        loops = Handshakes(site)
        longest, missing = 0.0, 0
        try:
            for nth in range(ROTATIONS):
                name = authority.issue(folder, f"rotated{nth}")
                since = time.monotonic()
                authority.put(folder, f"rotated{nth}")
                time.sleep(WATCHED)
                after = [(at - since, shown) for at, shown in list(loops.shown) if at > since]
                longest = max([longest, *(at for at, shown in after if shown != name)])
                missing += not any(shown == name for _, shown in after)
        finally:
            loops.end()
    report.bound("handshakes that failed", len(loops.failures), 0)
    for failure in loops.failures[:5]:
        report.note(failure)
    report.bound("new certificates that nobody was shown", missing, 0)
    report.bound("the longest time after which the old one was still shown", longest, MOST, "s")
    report.note(f"{len(loops.shown)} handshakes")


def acme(report, folder, program):
    """Both ends of HTTP-01 (RFC 8555, 8.3) are played: the client that writes the answer, the authority that asks."""
    report.begin("acme", "an exchange of HTTP-01, a reload as certbot's deploy hook does it, and the new certificate.")
    with Supervised(folder, program) as site:
        first = serial(site)
        token, answer = secrets.token_urlsafe(32), secrets.token_urlsafe(65)
        challenges = Path(folder, "webroot/.well-known/acme-challenge")
        challenges.mkdir(parents=True)
        (challenges / token).write_text(answer)
        asked = ask(site.clear, f"/.well-known/acme-challenge/{token}")
        report.holds("the authority reads the answer in clear text", (asked.status, asked.body) == (200, answer),
                     asked.status)
        (challenges / token).unlink()
        asked = ask(site.clear, f"/.well-known/acme-challenge/{token}")
        report.holds("and nothing once the client has removed it", asked.status == 404, asked.status)
        asked = ask(site.clear, "/elsewhere?x=1")
        report.holds("everything else goes to https", (asked.status, asked.location) ==
                     (308, f"https://localhost:{site.port}/elsewhere?x=1"), asked.status)
        asked = ask(site.clear, "/elsewhere", "evil.example")
        report.holds("and never to another host", (asked.status, asked.location) == (421, None), asked.status)
        issued = authority.issue(folder, "renewed")
        authority.put(folder, "renewed")
        site.done("reload")
        shown = {serial(site) for _ in range(20)}
        report.holds("after the reload 20 handshakes are shown the new one", shown == {issued} and issued != first)


class ask:
    """One request in clear text."""

    def __init__(self, port, path, host="localhost"):
        conn = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        conn.request("GET", path, headers={"Host": host})
        reply = conn.getresponse()
        self.status, self.location, self.body = reply.status, reply.getheader("Location"), reply.read().decode()
        conn.close()


TRIALS = {"resumption": resumption, "rotation": rotation, "acme": acme}
