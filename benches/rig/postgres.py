"""Throwaway PostgreSQL servers, and one with the demo's cities in three databases, a disjoint third in each."""
import csv
import os
import subprocess

from . import process, programs

# The tests' own: it makes a cluster in a folder of its own and ends it when its input is closed.
KEEPER = "tests/it/harness/postgres.sh"
PASSWORD = "throwaway"
SHARDS = 3


class Keeper:
    """A throwaway PostgreSQL, its processes as `placed` puts them."""

    def __init__(self, root, placed=lambda command: command, connections=200):
        self.port = process.free_port()
        self.bin = programs.postgres_folder()
        # PostgreSQL refuses to run as root; its own user runs it then.
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        script = (root / KEEPER).read_text()
        self.keeper = subprocess.Popen(placed([*user, "sh", "-c", script, "pg", self.bin, str(self.port), PASSWORD,
                                               str(connections)]),
                                       cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.keeper.stdout.readline().strip() != "ready":
            raise SystemExit(f"PostgreSQL did not start: {self.keeper.stderr.read()}")

    def psql(self, database, statement, rows="", *options, **more):
        return subprocess.run([f"{self.bin}/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-w", "-h", "127.0.0.1", "-U", "skitai",
                               "-p", str(self.port), "-d", database, *options, "-c", statement],
                              input=rows, text=True, check=True, env={**os.environ, "PGPASSWORD": PASSWORD}, **more)

    def stop(self):
        self.keeper.stdin.close()
        self.keeper.wait()


class Postgres(Keeper):
    def __init__(self, root):
        super().__init__(root)
        with open(root / "apps/demo/data/cities.csv", encoding="utf-8", newline="") as file:
            self.cities = list(csv.reader(file))[1:]
        for shard in range(SHARDS):
            self.psql("postgres", f"CREATE DATABASE shard{shard}")
            self.psql(f"shard{shard}", "CREATE TABLE cities (name text, country text, population bigint)")
            rows = "".join("\t".join(city) + "\n" for city in self.cities[shard::SHARDS])
            self.psql(f"shard{shard}", "COPY cities FROM STDIN", rows)
            self.psql(f"shard{shard}", "CREATE INDEX ON cities (population)")
            self.psql(f"shard{shard}", "VACUUM ANALYZE cities")

    def at_least(self, total):
        """The population that so many cities reach."""
        return sorted((int(city[2]) for city in self.cities), reverse=True)[total - 1]
