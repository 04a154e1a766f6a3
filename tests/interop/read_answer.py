"""An XML-RPC answer as JSON, by Python's own reader: `read_answer.py FILE`. A fault is its structure."""

import json
import pathlib
import sys
import xmlrpc.client

try:
    (answer,), _ = xmlrpc.client.loads(pathlib.Path(sys.argv[1]).read_bytes())
except xmlrpc.client.Fault as fault:
    answer = {"faultCode": fault.faultCode, "faultString": fault.faultString}
print(json.dumps(answer))
