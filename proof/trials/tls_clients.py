"""Clients that we did not write, over TLS: each trusts our authority alone and is right; without that authority each
refuses the site, so it looked. Those that keep connections need one."""
import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from . import proxies
from .foreign_clients import VERSION

HERE = Path(__file__).resolve().parent
COUNT = 100
# Kept apart from the tests' environment; pip installs exactly these.
REQUIREMENTS = ["requests==2.32.5", "httpx==0.28.1"]
NEEDS = {"curl": "curl", "javac": "default-jdk-headless", "keytool": "default-jre-headless", "node": "nodejs",
         "chromium": "chromium", "certutil": "libnss3-tools"}


def clients(report, folder, program, site):
    report.begin("clients", f"others' clients: {COUNT} posts each, 20 pages by curl, one page by Chromium; then "
                            "without our authority.")
    url = f"https://localhost:{site.tls.port}"
    python = environment(program)
    store = Path(folder, "authority.p12")
    ran(["keytool", "-importcert", "-noprompt", "-file", f"{folder}/ca.pem", "-alias", "proof", "-keystore", store,
         "-storetype", "PKCS12", "-storepass", "of-the-proof"])
    trust = [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=of-the-proof"]
    node, ca = [proxies.found("node"), HERE / "tls_posts.js", url, COUNT], Path(folder, "ca.pem")
    for name, trusting, doubting in [
        *[(kind, ([python, HERE / "tls_posts.py", kind, url, COUNT, ca], {}),
           ([python, HERE / "tls_posts.py", kind, url, 1], {})) for kind in ("requests", "httpx")],
        ("Java's HttpClient", (["java", *trust, HERE / "Posts.java", url, COUNT], {}),
         (["java", HERE / "Posts.java", url, 1], {})),
        ("Node's fetch", (node, {"NODE_EXTRA_CA_CERTS": str(ca)}), ([*node[:3], 1], {})),
    ]:
        told = ran(*trusting)
        right, wrong, failed = map(int, told.split("\n")[0].split())
        version = f"java {told_of('javac')}" if "Java" in name else told.split("\n")[1]
        report.told(f"{name}: right, wrong, failed", f"{right} {wrong} {failed}", f"= {COUNT} 0 0",
                    (right, wrong, failed) == (COUNT, 0, 0))
        report.note(version)
        told = ran(*doubting)
        failed = int(told.split("\n")[0].split()[2])
        report.told(f"{name} without our authority: failed", failed, "≥ 1", failed > 0)
        if failed == 0:
            report.note(told)
    curl(report, url, ca)
    chromium(report, folder, url)


def curl(report, url, ca):
    asked = ["curl", "-sS", "--noproxy", "*", "-w", "%{http_code} %{http_version} %{num_connects}\n", "-o", "/dev/null"]
    urls = [part for n in range(20) for part in ("-o", "/dev/null", f"{url}/hello?n={n}")]
    told = ran([*asked[:-2], "--cacert", ca, *urls]).split("\n")[:-1]
    report.told("curl: pages, by HTTP/1.1 on one connection", f"{sum(line.startswith('200 1.1 ') for line in told)} "
                f"{sum(int(line.split()[2]) for line in told)}", "= 20 1",
                len(told) == 20 and all(line.startswith("200 1.1 ") for line in told)
                and sum(int(line.split()[2]) for line in told) == 1)
    report.note(" ".join(told_of("curl").split()[:2]))
    refused = subprocess.run([*asked, f"{url}/hello"], capture_output=True, text=True, env=plain())
    report.holds("curl without our authority: refused", refused.returncode == 60, refused.returncode)


def chromium(report, folder, url):
    """It reads the authorities of its user from a database of NSS in the home folder."""
    for trusts in (True, False):
        with tempfile.TemporaryDirectory(dir=folder) as home:
            store = Path(home, ".pki/nssdb")
            store.mkdir(parents=True)
            ran(["certutil", "-d", f"sql:{store}", "-N", "--empty-password"])
            if trusts:
                ran(["certutil", "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", "proof", "-i", f"{folder}/ca.pem"])
            page = subprocess.run(
                [proxies.found("chromium"), "--headless=new", "--no-sandbox", "--disable-gpu",
                 "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync",
                 "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
                 f"--user-data-dir={home}/user", "--timeout=15000", "--dump-dom", f"{url}/hello"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, env={**plain(), "HOME": home})
            if trusts:
                report.holds("Chromium: the page", "Hello World" in page.stdout)
                report.note(told_of("chromium"))
            else:
                report.holds("Chromium without our authority: no page", "Hello World" not in page.stdout)


def environment(program):
    """Python with the clients, beside what is built."""
    folder = program.parent.parent / "proof-clients"
    python, listed = folder / "bin/python", folder / "requirements.txt"
    if not python.exists() or not listed.exists() or listed.read_text().split() != REQUIREMENTS:
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS],
                       check=True, stdout=sys.stderr)
        listed.write_text("\n".join(REQUIREMENTS) + "\n")
    return python


def plain():
    """The environment without the authorities that the shell of whoever runs this may name."""
    named = ("CA_BUNDLE", "CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR")
    return {key: value for key, value in os.environ.items()
            if not any(name in key for name in named) and "proxy" not in key.lower()}


def ran(command, environment=None):
    command = [proxies.found(command[0]) if isinstance(command[0], str) and "/" not in command[0] else command[0],
               *command[1:]]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300,
                          env={**plain(), **(environment or {})})
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout


def told_of(name):
    """The version of a program, in its own words."""
    told = subprocess.run([proxies.found(name), VERSION[name]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    line = next(line for line in told.stdout.split("\n") if re.search(r"\d+[.]\d+", line) and "unexpected" not in line)
    return line.strip()
