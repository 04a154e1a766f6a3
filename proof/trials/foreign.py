"""A foreign member: Python's own XML-RPC server, which keeps its connections open.

`foreign.py NAME` prints its port and runs until its stdin ends. With `foreign.py NAME REST` a connection that rests for
REST seconds is told `408 Request Timeout` and closed: unasked for, as some load balancers do it.
"""
import collections
import select
import socketserver
import sys
import threading
import time
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

REQUEST_TIMEOUT = (b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 16\r\nConnection: close\r\n"
                   b"Content-Type: text/plain\r\n\r\nRequest Timeout\n")
# Between two machines the news of it is under way for a while; a request that is sent meanwhile meets it. In seconds.
TRAVEL = 0.0002

# How often each keyword was searched, and each other thing asked.
came = collections.Counter()
asked = collections.Counter()


def works(keyword, name):
    """What the member of this name finds. Every entry says whose it is, and not every list is as long as the last."""
    return [f"{keyword}, {nth} of {name}" for nth in range(1 + sum(map(ord, keyword)) % 5)]


class Handler(SimpleXMLRPCRequestHandler):
    # Whatever path the caller's cluster names.
    rpc_paths = ()
    protocol_version = "HTTP/1.1"
    rest = None

    def setup(self):
        asked["connections"] += 1
        super().setup()

    def handle_one_request(self):
        if self.rest and not select.select([self.connection], [], [], self.rest)[0]:
            time.sleep(TRAVEL)
            self.wfile.write(REQUEST_TIMEOUT)
            self.close_connection = True
            return
        super().handle_one_request()

    def do_GET(self):
        """Alive, says the page."""
        asked["pages"] += 1
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"alive")


class Server(socketserver.ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True
    # Every caller may dial at once.
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Whoever leaves in the middle is no news."""


def serve(name, rest=None):
    Handler.rest = rest and float(rest)
    server = Server(("127.0.0.1", 0), Handler, logRequests=False)

    def search(keyword):
        came[keyword] += 1
        return works(keyword, name)

    def list_methods():
        asked["checks"] += 1
        return ["search"]

    def tell():
        """What came so far: calls, those of them that came again, and checks of both kinds."""
        return {"calls": sum(came.values()), "again": sum(times - 1 for times in came.values()), **asked}

    server.register_function(search)
    server.register_function(list_methods, "system.listMethods")
    server.register_function(tell)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    serve(*sys.argv[1:])
