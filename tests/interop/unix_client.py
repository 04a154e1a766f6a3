"""Python's own HTTP client over a Unix socket: `unix_client.py PATH`. Any surprise is an exception, so exit code 1."""

import http.client
import json
import socket
import sys


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


connection = UnixConnection(sys.argv[1])
connection.connect()
first = connection.sock
for turn in range(3):
    body = b"x" * (turn * 100_000)
    connection.request("POST", "/asked", body, {"Content-Type": "text/plain"})
    reply = connection.getresponse()
    asked = json.loads(reply.read())
    assert reply.status == 200, reply.status
    assert asked["body"] == len(body), asked["body"]
    assert asked["remote"] is None and asked["peer"] is None and asked["local"] is True, asked
    assert connection.sock is first, "it is kept"
connection.request("GET", "/env/x", headers={"Host": "example.org:8443"})
env = json.loads(connection.getresponse().read())
assert env["REMOTE_ADDR"] == "" and "REMOTE_PORT" not in env, env
assert (env["SERVER_NAME"], env["SERVER_PORT"]) == ("example.org", "8443"), env
connection.request("GET", "/nowhere")
reply = connection.getresponse()
assert reply.status == 404, reply.status
reply.read()
print("ok")
