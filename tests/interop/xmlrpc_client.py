"""Python's own XML-RPC client against the demo: `xmlrpc_client.py URL`. Any surprise is an exception, so exit code 1."""

import datetime
import sys
import xmlrpc.client

server = xmlrpc.client.ServerProxy(sys.argv[1], allow_none=True, use_builtin_types=True)


def same(value):
    echoed = server.echo(value)
    assert echoed == value and type(echoed) is type(value), f"echo of {value!r} is {echoed!r}"


def fault(call, *words):
    try:
        answer = call()
    except xmlrpc.client.Fault as caught:
        for word in words:
            assert word in caught.faultString, f"{word!r} is not in {caught.faultString!r}"
    else:
        raise AssertionError(f"a fault was due, but the answer is {answer!r}")


assert server.hello() == "Hello World"
assert server.add(40, 2) == 42
assert server.add(-2147483648, 1) == -2147483647
assert server.company(555, "Skitai Corp") == "555 - Skitai Corp"
assert server.greetings.morning()

for value in (
    None,
    True,
    False,
    0,
    -2147483648,
    2147483647,
    0.1,
    -1e300,
    "",
    " leading and trailing ",
    "한글 <&> \"quotes\" ]]> \U0001f3b5",
    "two\nlines",
    [],
    {},
    [1, "two", [3.5, {"four": None}]],
    {"z": 1, "a": [True, {"ä ö": "ü"}]},
    b"\x00\xff bytes",
    datetime.datetime(2015, 7, 4, 12, 30, 59),
):
    same(value)

fault(lambda: server.add(1), "b")
fault(lambda: server.add("x", 2), "a")
fault(lambda: server.nobody(), "nobody")
# The connection and the server are as good as before.
assert server.add(1, 2) == 3
