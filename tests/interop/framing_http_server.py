"""Python's http.server behind the targets of tests/framing: it notes what it executes, and tells it at /notes/CASE.

It prints its port and serves until its standard input ends."""
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

noted = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 1

    def answer(self):
        length = self.headers.get("Content-Length")
        if length:
            self.rfile.read(int(length))
        parts = self.path.split("/")
        body = b"?"
        if parts[1:2] == ["noted"] and len(parts) == 4:
            noted.setdefault(parts[2], []).append(parts[3])
            body = b"noted"
        elif parts[1:2] == ["notes"]:
            body = json.dumps(noted.get(parts[2], [])).encode()
        self.send_response(200 if body != b"?" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
