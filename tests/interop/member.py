"""A foreign member: Python's own XML-RPC server with the demo's `search`.

`member.py K` serves the K-th of three disjoint thirds of the catalogue on a free port, prints the port and runs until
its stdin ends.
"""

import csv
import pathlib
import sys
import threading
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

CATALOGUE = pathlib.Path(__file__).parents[2] / "apps/demo/data/works.csv"

with CATALOGUE.open(encoding="utf-8") as file:
    WORKS = list(csv.DictReader(file))[int(sys.argv[1]) :: 3]


class Handler(SimpleXMLRPCRequestHandler):
    # Whatever path the caller's cluster names.
    rpc_paths = ()
    protocol_version = "HTTP/1.1"


def search(keyword):
    return [dict(work, year=int(work["year"])) for work in WORKS if keyword in work["composer"]]


server = SimpleXMLRPCServer(("127.0.0.1", 0), Handler, logRequests=False, allow_none=True)
server.register_function(search)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
