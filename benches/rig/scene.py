"""Everything that runs during a comparison: both sides, the members and the databases they ask."""
import http.client
import re
import tempfile

from . import conf, machine, visit
from .calls import ADD_JSON, ADD_XML
from .plproxy import Coordinator, Together
from .postgres import PASSWORD, Postgres
from .process import Process, free_port, free_ports

# Members of the larger cluster.
MANY = 20
# A handful of rows from each shard.
ROWS_OF_ALL_SHARDS = 15

CONF = conf.HEAD + """{log}
[@mysearch]
members = {members}

[@mydb]
type = postgresql
members = {databases}
{database}

[routes:line]
/ = demo
"""


class Scene:
    def __init__(self, built, rows, against=None):
        """`against` is another build of the demo, which serves every site a second time."""
        self.built, self.rows, self.against, self.others = built, rows, against, {}
        # Where PostgreSQL runs as another user, it need not look in here.
        self.folder = tempfile.TemporaryDirectory(prefix="skitai-bench.")
        self.threads = len(machine.SERVERS)
        self.started = []

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        self.postgres = Postgres(self.built.root)
        self.started.append(self.postgres)
        at_least = self.postgres.at_least(ROWS_OF_ALL_SHARDS)
        self.search, self.cities = "/search?keyword=Mozart", f"/cities?at_least={at_least}"
        ports, many = free_ports(3), free_ports(MANY)
        self.member, self.member20 = (self.program("member", *each) for each in (ports, many))
        self.bare = self.program("bare-hello", free_port())
        self.lean = self.program("lean-fanout", free_port(), *ports)
        self.lean20 = self.program("lean-fanout", free_port(), *many)
        self.pool = self.program("pool-fanout", free_port(), self.postgres.port)
        self.server = self.site("server", ports)
        self.server20 = self.site("server20", many)
        self.wide = {}
        for count in (10, 300, 1000) if self.rows & {"wide300", "wide1000"} else ():
            wide = free_ports(count)
            self.program("member", *wide)
            self.wide[count] = self.site(f"wide{count}", wide)
        self.logging = self.site("logging", ports, f"access_log = {self.folder.name}/access.log")
        if "session" in self.rows:
            port, path = free_port(), f"{self.folder.name}/orders.conf"
            with open(path, "w") as conf:
                conf.write(visit.CONF.format(port=port, threads=self.threads))
            self.orders = self.keep(Process(machine.alone([self.built.path("session-site"), "-f", path]), port, self.folder.name))
            self.bare_orders = self.program("session-bare", free_port())
        # These have needs of their own, so they are there only for the rows that ask for them.
        if self.rows & {"pipelined", "asyncpg", "plproxy"}:
            self.pipelining = self.site("pipelining", ports, database="pipeline = yes")
            self.pipelined = self.program("pipelined-fanout", free_port(), self.postgres.port)
        if "asyncpg" in self.rows:
            self.asyncpg = self.python("asyncpg_fanout.py", free_port(), self.postgres.port)
        if "plproxy" in self.rows:
            coordinator = self.keep(Coordinator(self.built.root, self.postgres))
            self.plproxy = Together(self.program("plproxy-fanout", free_port(), coordinator.port), coordinator)

    def program(self, name, port, *more):
        command = [self.built.path(name), self.threads, port, *more]
        # The members are no side of the comparison.
        command = command if name == "member" else machine.alone(command)
        return self.keep(Process(command, port, self.folder.name, {"PGPASSWORD": PASSWORD}))

    def python(self, name, port, *more):
        command = machine.alone([self.built.python, self.built.root / "benches/rig" / name, self.threads, port, *more])
        return self.keep(Process(command, port, self.folder.name, {"PGPASSWORD": PASSWORD}))

    def site(self, name, members, log="", database=""):
        port, path = free_port(), f"{self.folder.name}/{name}.conf"
        databases = [f"127.0.0.1:{self.postgres.port}/shard{shard}/skitai/{PASSWORD}" for shard in range(3)]
        with open(path, "w") as conf:
            conf.write(CONF.format(port=port, threads=self.threads, log=log, database=database, databases=", ".join(databases),
                                   members=", ".join(f"127.0.0.1:{member}" for member in members)))
        if self.against:
            with open(path) as conf:
                text = conf.read()
            other, twin = free_port(), f"{self.folder.name}/{name}-other.conf"
            with open(twin, "w") as conf:
                conf.write(text.replace(f"port = {port}\n", f"port = {other}\n"))
            self.others[name] = self.keep(Process(machine.alone([self.against, "-f", twin]), other, self.folder.name))
        return self.keep(Process(machine.alone([self.built.path("skitai-demo"), "-f", path]), port, self.folder.name))

    def keep(self, process):
        self.started.append(process)
        return process

    def check_same_bytes(self):
        """Fails where the two sides of a row do not do the same."""
        pairs = [("/hello", self.bare, self.server), (self.search, self.lean, self.server),
                 (self.search, self.lean20, self.server20), (self.cities, self.pool, self.server)]
        sides = [getattr(self, side, None) for side in ("pipelined", "asyncpg", "plproxy")]
        pairs += [(self.cities, side, self.pipelining) for side in sides if side]
        for path, baseline, server in pairs:
            theirs, ours = get(baseline, path), get(server, path)
            if theirs != ours:
                raise SystemExit(f"{path}: the baseline answers\n{theirs}\nbut the server\n{ours}")
        for member, *sides in [(self.member, self.lean, self.server), (self.member20, self.lean20, self.server20)]:
            theirs, ours = (self.call(member, side) for side in sides)
            if theirs != ours:
                raise SystemExit(f"the baseline sends\n{theirs.decode()}\nbut the server\n{ours.decode()}")

        if "session" in self.rows:
            visit.check(self.orders, self.bare_orders)
        for call in (ADD_XML, ADD_JSON):
            call.check(self.server, self.bare)

    def call(self, member, side):
        """What one side sends to a member."""
        get(member, "/seen")
        get(side, self.search)
        # What is left of the time differs from call to call; that both tell it does not. And awc dates its requests, which
        # nobody asks of a client (RFC 9110, 6.6.1): 37 octets that only the baseline sends.
        seen = re.sub(rb"(?mi)^x-request-timeout-ms: .*$", b"x-request-timeout-ms: -", get(member, "/seen")[-1])
        return re.sub(rb"(?mi)^date: .*\n", b"", seen)

    def __exit__(self, *_):
        for process in reversed(self.started):
            process.stop()
        self.folder.cleanup()


def get(process, path):
    """Status, headers but the date, and body."""
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    # What came is told by this server alone: some 45 octets that the hand-written programs do not send.
    left_out = ("date", "x-coverage", "vary")
    headers = sorted((name.lower(), value) for name, value in answer.getheaders() if name.lower() not in left_out)
    return answer.status, headers, answer.read()
