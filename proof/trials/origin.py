"""An origin for proofs of the reverse proxy: answers of any length in both framings, and what it saw of each request."""
import hashlib
import http.server
import json
import socket
import threading

PIECE = 1 << 20
PATTERN = memoryview(bytes(range(251)) * (PIECE // 251 + 1))


def pattern(length):
    """The octets of an answer, piece by piece."""
    for start in range(0, length, PIECE):
        yield PATTERN[:min(PIECE, length - start)]


def digest(pieces):
    total, of = 0, hashlib.blake2b(digest_size=16)
    for piece in pieces:
        total += len(piece)
        of.update(piece)
    return total, of.hexdigest()


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        # Requests that are answered at this moment, and those that were.
        self.in_use, self.answered = 0, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def handle_error(self, *_):
        """A peer that leaves is none."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                left = size
                while left:
                    piece = self.rfile.read(min(left, PIECE))
                    left -= len(piece)
                    yield piece
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length", 0))
        while left:
            piece = self.rfile.read1(min(left, PIECE))
            if not piece:
                raise ConnectionError("the body ended early")
            left -= len(piece)
            yield piece

    def answer(self):
        with self.server.lock:
            self.server.in_use += 1
        try:
            self.routed()
            self.wfile.flush()
        finally:
            with self.server.lock:
                self.server.in_use -= 1
                self.server.answered += 1

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = answer

    def routed(self):
        _, what, *rest = self.path.split("?")[0].split("/")
        match what:
            case "bytes" | "chunked":
                self.octets(int(rest[0]), what == "chunked")
            case "taken":
                length, of = digest(self.body())
                self.told(200, {"method": self.command, "length": length, "digest": of})
            case "counted":
                # Faster than a digest, for gigabytes.
                self.told(200, {"length": sum(len(piece) for piece in self.body())})
            case "early":
                self.close_connection = True
                self.told(413, {"why": "too large"}, Connection="close")
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_WR)
                # What is still under way must find a socket, or the answer could be lost.
                for _ in self.body():
                    pass
            case "moved":
                self.told(302, {}, Location="/bytes/3")
            case "last":
                self.close_connection = True
                self.told(200, {"last": True}, Connection="close")
            case _:
                self.told(404, {"path": self.path})

    def octets(self, length, is_chunked):
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Transfer-Encoding" if is_chunked else "Content-Length", "chunked" if is_chunked else str(length))
        self.end_headers()
        if self.command == "HEAD":
            return
        for piece in pattern(length):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), bytes(piece)) if is_chunked else piece)
        if is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    def told(self, code, what, **headers):
        text = json.dumps(what).encode()
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(text), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)
