"""Asks for the status by Python's own XML-RPC client.

`status.py PORT PASSWORD FILTER`: prints in JSON the part that the filter picks (`status`), the names of the parts of all
of it (`whole`), and whether a client without the password was `refused`.
"""
import json
import sys
import xmlrpc.client

port, password, part = sys.argv[1:4]


def server(login):
    return xmlrpc.client.ServerProxy(f"http://{login}127.0.0.1:{port}/RPC2", allow_none=True)


told = server(f"admin:{password}@")
try:
    server("").system.status()
    refused = False
except xmlrpc.client.Fault:
    refused = True
whole = list(told.system.status())
print(json.dumps({"status": told.system.status(part), "whole": whole, "refused": refused}, default=str))
