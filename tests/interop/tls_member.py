"""A foreign member behind TLS: Python's own XML-RPC server with `search`.

`tls_member.py CERTIFICATE KEY` serves on a free port of 127.0.0.1, prints the port and runs until its stdin ends.
"""

import ssl
import sys
import threading
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer


class Handler(SimpleXMLRPCRequestHandler):
    rpc_paths = ()


class Server(SimpleXMLRPCServer):
    def handle_error(self, request, client_address):
        # Who does not trust us hangs up in the handshake: that is what is tested.
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server = Server(("127.0.0.1", 0), Handler, logRequests=False)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.register_function(lambda keyword: ["over TLS", keyword], "search")
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
