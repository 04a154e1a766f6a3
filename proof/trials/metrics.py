"""Clients that count what they get, and one that asks for what is not there."""
import http.client
import socket
import threading
import xmlrpc.client

JSON_CALL = b'{"jsonrpc":"2.0","method":"add","params":[1,2],"id":1}'
XML_CALL = xmlrpc.client.dumps((1, 2), "add").encode()
# The method, path, headers and body of each kind, the status it must have, and how many clients ask for it.
KINDS = {
    "hello": (("GET", "/hello", {}, None), 200, 3),
    "search": (("GET", "/search?keyword=Mozart", {}, None), 200, 3),
    "add": (("GET", "/add?a=1&b=2", {}, None), 200, 1),
    "xmlrpc": (("POST", "/RPC2", {"Content-Type": "text/xml"}, XML_CALL), 200, 1),
    "jsonrpc": (("POST", "/rpc3", {"Content-Type": "application/json-rpc"}, JSON_CALL), 200, 1),
    "nothing": (("GET", "/nothing/here", {}, None), 404, 1),
}


class Asking:
    """Asks until it is told to end. An answer with another status, and a request without one, is `lost`."""

    def __init__(self, port):
        self.port, self.over, self.lock = port, threading.Event(), threading.Lock()
        self.counts = dict.fromkeys([*KINDS, "lost"], 0)
        self.threads = [threading.Thread(target=self.ask, args=(kind,)) for kind, (*_, many) in KINDS.items()
                        for _ in range(many)]
        for thread in self.threads:
            thread.start()

    def ask(self, kind):
        (method, path, headers, body), status, _ = KINDS[kind]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        counts = {kind: 0, "lost": 0}
        while not self.over.is_set():
            try:
                connection.request(method, path, body, headers)
                reply = connection.getresponse()
                reply.read()
                counts[kind if reply.status == status else "lost"] += 1
            except (OSError, http.client.HTTPException):
                counts["lost"] += 1
                connection.close()
        with self.lock:
            for name, count in counts.items():
                self.counts[name] += count

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        return dict(self.counts)


def requests(count):
    """So many paths, a tenth as many methods and names over RPC, a hundredth as many Host values."""
    for nth in range(count):
        yield f"GET /scan/{nth:x}.php?id={nth} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for nth in range(count // 10):
        yield f"SCAN{nth} /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
        call = f'{{"jsonrpc":"2.0","method":"scan_{nth}","id":1}}'
        yield (f"POST /rpc3 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json-rpc\r\n"
               f"Content-Length: {len(call)}\r\n\r\n{call}")
    for nth in range(count // 100):
        yield f"GET /hello HTTP/1.1\r\nHost: scan-{nth}.example\r\n\r\n"


def scan(port, count):
    """Sends all of them, some at a time on one connection, and reads every answer. Returns how many there were."""
    sent, batch, stream = 0, [], None
    for request in requests(count):
        batch.append(request)
        if len(batch) == 50:
            stream = exchanged(port, stream, batch)
            sent, batch = sent + len(batch), []
    exchanged(port, stream, batch)
    return sent + len(batch)


def exchanged(port, stream, batch):
    """The connection on which these were sent and answered; another one where the server closes it."""
    while batch:
        if stream is None:
            connection = socket.create_connection(("127.0.0.1", port), 20)
            stream = connection.makefile("rwb")
        stream.write("".join(batch).encode())
        stream.flush()
        done, is_over = 0, False
        while done < len(batch) and not is_over:
            length, is_over = 0, not stream.readline()
            if is_over:
                break
            while (line := stream.readline()) not in (b"\r\n", b""):
                name, _, value = line.decode("latin-1").partition(":")
                length = int(value) if name.lower() == "content-length" else length
                is_over = is_over or (name.lower() == "connection" and value.strip().lower() == "close")
            stream.read(length)
            done += 1
        batch = batch[done:]
        if is_over:
            stream.close()
            stream = None
    return stream
