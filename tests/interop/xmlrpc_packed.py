"""Python's own XML-RPC client, which packs its requests: `xmlrpc_packed.py URL`. Any surprise is an exception."""

import sys
import xmlrpc.client


class Packing(xmlrpc.client.Transport):
    """Packs what is longer than this, which is everything."""

    encode_threshold = 0

    def __init__(self):
        super().__init__(use_builtin_types=True)


server = xmlrpc.client.ServerProxy(sys.argv[1], transport=Packing(), use_builtin_types=True, allow_none=True)
assert server.add(1, 2) == 3
text = "모차르트 " * 100_000
assert server.echo(text) == text
octets = bytes(range(256))
assert server.echo(octets) == octets
# What is too large once it is unpacked is refused by its size, and the server goes on.
try:
    server.echo("x" * (6 << 20))
except xmlrpc.client.ProtocolError as refused:
    assert refused.errcode == 413, refused
else:
    raise AssertionError("6 MiB were taken")
assert server.add(3, 4) == 7
print("all right")
