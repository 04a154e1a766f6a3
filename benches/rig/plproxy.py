"""PL/Proxy: a PostgreSQL of its own whose function asks the three databases, and a lean server before it.

Its side of the comparison is both: what the server saves, the coordinator spends.
"""
from . import machine, process
from .postgres import PASSWORD, SHARDS, Keeper

DATABASE = "coordinator"


class Coordinator(Keeper):
    def __init__(self, root, postgres):
        super().__init__(root, machine.alone)
        self.psql("postgres", f"CREATE DATABASE {DATABASE}")
        members = ", ".join(f"p{shard} 'host=127.0.0.1 port={postgres.port} dbname=shard{shard}'" for shard in range(SHARDS))
        for statement in [
            "CREATE EXTENSION plproxy",
            f"CREATE SERVER shards FOREIGN DATA WRAPPER plproxy OPTIONS (modular_mapping '1', {members})",
            f"CREATE USER MAPPING FOR skitai SERVER shards OPTIONS (user 'skitai', password '{PASSWORD}')",
            "CREATE TYPE city AS (name text, country text, population bigint)",
            "CREATE FUNCTION cities_at_least(at_least bigint) RETURNS SETOF city LANGUAGE plproxy AS $$ CLUSTER 'shards'; RUN ON ALL; "
            "SELECT name, country, population FROM cities WHERE population >= at_least ORDER BY population DESC, name; $$",
        ]:
            self.psql(DATABASE, statement)


class Together:
    """The server and the coordinator behind it, as one process under measurement."""

    def __init__(self, server, coordinator):
        self.server, self.coordinator, self.port, self.url = server, coordinator, server.port, server.url

    def restart(self):
        self.server.restart()

    def cpu(self):
        return self.server.cpu() + process.cpu(self.coordinator.keeper.pid)
