"""A foreign member: Python's own XML-RPC server with the demo's `search`.

`member.py K` serves the K-th of three disjoint thirds of the catalogue on a free port, prints the port and runs until
its stdin ends.
"""

import csv
import pathlib
import socketserver
import sys
import threading
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

CATALOGUE = pathlib.Path(__file__).parents[2] / "apps/demo/data/works.csv"

with CATALOGUE.open(encoding="utf-8") as file:
    WORKS = list(csv.DictReader(file))[int(sys.argv[1]) :: 3]


class Handler(SimpleXMLRPCRequestHandler):
    # Whatever path the caller's cluster names.
    rpc_paths = ()


class KeepsConnections(Handler):
    protocol_version = "HTTP/1.1"


class Threaded(socketserver.ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True


def search(keyword):
    return [dict(work, year=int(work["year"])) for work in WORKS if keyword in work["composer"]]


# The first one is Python's server as it comes: HTTP/1.0, one connection at a time, closed after each answer. The others
# keep connections open, which takes threads: a caller may hold several.
Server, handler = (SimpleXMLRPCServer, Handler) if sys.argv[1] == "0" else (Threaded, KeepsConnections)
server = Server(("127.0.0.1", 0), handler, logRequests=False, allow_none=True)
server.register_function(search)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
