"""A visitor with a session: what both sides of the row `session` are asked."""
import http.client

from . import conf

ENTER, ORDER = "/enter", "/orders/2026/1756"
# What the page must have in it, so that nobody measures a refusal.
ANSWER = b"Mozart 2026 1756"

CONF = conf.HEAD + """
[routes:line]
/ = orders
"""


def entered(process):
    """The cookie of a session that has just begun. Its side renews no cookie before a tenth of its life, two minutes."""
    _, headers, _ = ask(process, ENTER)
    return next(value.split(";")[0] for name, value in headers if name == "set-cookie")


def script(process):
    """A visitor for wrk."""
    return f'wrk.headers["Cookie"] = "{entered(process)}"\n'


def check(server, bare):
    """Fails unless both sides answer with the page, in the same bytes, and set no cookie."""
    ours, theirs = (ask(process, ORDER, {"Cookie": entered(process)}) for process in (server, bare))
    if ANSWER not in ours[-1] or ours != theirs:
        raise SystemExit(f"{ORDER}: the baseline answers\n{theirs}\nbut the server\n{ours}")
    for process in (server, bare):
        if ask(process, ORDER)[0] != 403:
            raise SystemExit(f"{ORDER}: without a session it is not refused")


def ask(process, path, headers={}):
    """Status, headers but the date, and body."""
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    said = sorted((name.lower(), value) for name, value in answer.getheaders() if name.lower() != "date")
    return answer.status, said, answer.read()
