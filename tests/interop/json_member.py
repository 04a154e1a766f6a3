"""A foreign member: a JSON-RPC server from PyPI with `search`, `refuse` and `whoami`.

`json_member.py K` serves the K-th of three disjoint thirds of the catalogue on a free port, prints the port and runs
until its stdin ends.
"""

import csv
import logging
import pathlib
import sys
import threading

from jsonrpclib import Fault
from jsonrpclib.SimpleJSONRPCServer import SimpleJSONRPCRequestHandler, SimpleJSONRPCServer

CATALOGUE = pathlib.Path(__file__).parents[2] / "apps/demo/data/works.csv"

with CATALOGUE.open(encoding="utf-8") as file:
    WORKS = list(csv.DictReader(file))[int(sys.argv[1]) :: 3]

# Who is asked in XML need not complain of it.
logging.disable()

seen = {}


class Handler(SimpleJSONRPCRequestHandler):
    rpc_paths = ()

    def do_POST(self):
        seen["headers"] = {name.lower(): value for name, value in self.headers.items()}
        super().do_POST()


def search(keyword):
    return [dict(work, year=int(work["year"])) for work in WORKS if keyword in work["composer"]]


def refuse(keyword):
    return Fault(4711, f"not {keyword}")


def whoami(name):
    return seen["headers"].get(name)


server = SimpleJSONRPCServer(("127.0.0.1", 0), requestHandler=Handler, logRequests=False)
for function in (search, refuse, whoami):
    server.register_function(function)
server.register_introspection_functions()
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
