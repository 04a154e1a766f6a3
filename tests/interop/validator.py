"""UserLand's eight methods by Python's own client: `validator.py URL`. Any surprise is an exception, so exit code 1."""

import datetime
import sys
import xmlrpc.client

server = xmlrpc.client.ServerProxy(sys.argv[1], use_builtin_types=True)
validator = server.validator1

assert validator.arrayOfStructsTest([{"moe": 5, "larry": 6, "curly": curly} for curly in (1, 20, -7)]) == 14
assert validator.countTheEntities("<<>&&&''\"x\"") == {
    "ctLeftAngleBrackets": 2,
    "ctRightAngleBrackets": 1,
    "ctAmpersands": 3,
    "ctApostrophes": 2,
    "ctQuotes": 2,
}
assert validator.easyStructTest({"moe": 1, "larry": 2, "curly": 39}) == 42
struct = {"substruct": {"moe": 1, "text": "a < b & c"}, "list": [1, "two", False]}
assert validator.echoStructTest(struct) == struct
many = [7, True, "text", 3.25, datetime.datetime(2026, 11, 23, 7, 15, 30), b"\x00\x01\xff"]
assert validator.manyTypesTest(*many) == many
assert validator.moderateSizeArrayCheck([f"<{at}>" for at in range(150)]) == "<0><149>"
day = {"moe": 10, "larry": 20, "curly": 5}
assert validator.nestedStructTest({"1999": {}, "2000": {"04": {"01": day}}}) == 35
assert validator.simpleStructReturnTest(13) == {"times10": 130, "times100": 1300, "times1000": 13000}

# Many in one, each with its own answer or fault, in order; the client writes no more than the names.
several = xmlrpc.client.MultiCall(server)
several.validator1.simpleStructReturnTest(1)
several.validator1.nobody()
several.validator1.easyStructTest(1)
several.system.multicall([])
several.validator1.countTheEntities("'")
answers = several()


def fault(at):
    try:
        return answers[at]
    except xmlrpc.client.Fault as caught:
        return caught.faultCode


assert answers[0]["times10"] == 10
assert [fault(at) for at in (1, 2, 3)] == [-32601, -32602, -32600]
assert answers[4]["ctApostrophes"] == 1

# What a program asks of a server it does not know.
names = server.system.listMethods()
assert names == sorted(names) and {"validator1.easyStructTest", "system.multicall", "rpc.discover"} <= set(names)
assert server.system.methodHelp("validator1.easyStructTest") == "The sum of the three numbers."
assert server.system.methodSignature("validator1.simpleStructReturnTest") == [["struct", "int"]]
for name in names:
    assert isinstance(server.system.methodHelp(name), str)
    for signature in server.system.methodSignature(name):
        assert all(isinstance(word, str) for word in signature), (name, signature)
assert server.system.getCapabilities()["introspection"]["specVersion"] == 1
