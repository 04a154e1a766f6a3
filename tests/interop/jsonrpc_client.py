"""A JSON-RPC client from PyPI against the demo: `jsonrpc_client.py URL`. Any surprise is an exception, so exit code 1."""

import sys

import jsonrpclib
from jsonrpclib.jsonrpc import ProtocolError

# The package says `application/json-rpc` by itself; here it is said so that a change of it does not go unseen.
config = jsonrpclib.config.Config(version=2.0, content_type="application/json-rpc")
server = jsonrpclib.ServerProxy(sys.argv[1], config=config)


def error(call, code, word):
    try:
        answer = call()
    except ProtocolError as caught:
        (got, message, *_), = caught.args
        assert got == code and word in message, f"{code} with {word!r} was due, not {caught.args!r}"
    else:
        raise AssertionError(f"error {code} was due, but the answer is {answer!r}")


assert server.hello() == "Hello World"
assert server.add(40, 2) == 42
assert server.add(b=2, a=40) == 42
assert server.company(555, "Skitai Corp") == "555 - Skitai Corp"
assert server.greetings.morning()
for value in (None, True, -7, 2**53 + 1, 0.1, "한글 <&>", [], {"a": [1, {"b": None}]}):
    assert server.echo(value) == value, value

error(lambda: server.add(1), -32602, "b")
error(lambda: server.add("x", 2), -32602, "a")
# The words of the specification; which method it was is in the data, which this client leaves out.
error(lambda: server.nobody(), -32601, "Method not found")

batch = jsonrpclib.MultiCall(server, config)
batch.add(1, 2)
batch.hello()
assert list(batch()) == [3, "Hello World"]
