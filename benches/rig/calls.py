"""The call that is made by RPC: add(1200, 34), as each protocol says it."""
import http.client
from typing import NamedTuple


class Call(NamedTuple):
    path: str
    kind: str
    body: str

    def script(self):
        """The call as wrk makes it."""
        return f"""wrk.method = "POST"\nwrk.headers["Content-Type"] = "{self.kind}"\nwrk.body = [[{self.body}]]\n"""

    def answer(self, process):
        """Status, headers but the date, and body."""
        connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=10)
        connection.request("POST", self.path, self.body, {"Content-Type": self.kind})
        answer = connection.getresponse()
        headers = sorted((name.lower(), value) for name, value in answer.getheaders() if name.lower() != "date")
        return answer.status, headers, answer.read()

    def check(self, server, bare):
        """Fails unless the answer is the sum (a fault, too, is HTTP 200), and what the baseline answers without adding."""
        said, theirs = self.answer(server), self.answer(bare)
        if b"1234" not in said[-1] or said != theirs:
            raise SystemExit(f"add(1200, 34) by {self.kind} is answered {said}, by the baseline {theirs}")


ADD_XML = Call("/RPC2", "text/xml", '<?xml version="1.0"?><methodCall><methodName>add</methodName><params>'
               '<param><value><int>1200</int></value></param><param><value><int>34</int></value></param></params></methodCall>')
ADD_JSON = Call("/rpc", "application/json-rpc", '{"jsonrpc": "2.0", "method": "add", "params": [1200, 34], "id": 1}')
