"""Reads rows as NDJSON from standard input and holds them to their order.

    curl -sN URL | rows.py [--order country,-population,id] [--leave ROWS]

Prints one line of JSON: how many rows there were, the sum of their `id`, what the last line said of the coverage (null where
nothing is missing), the first row that was out of order (null), seconds to the first row and to the last. Knows nothing of
the server; texts compare by their bytes. `--leave` reads so many rows and goes.
"""
import argparse
import json
import sys
import time

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--order", default="")
parser.add_argument("--leave", type=int, default=0)
options = parser.parse_args()
terms = [(term.lstrip("-"), term.startswith("-")) for term in options.order.split(",") if term]


def key(row):
    """Descending columns are numbers."""
    return [-row[name] if down else row[name].encode() if isinstance(row[name], str) else row[name] for name, down in terms]


began = time.monotonic()
told = {"rows": 0, "sum": 0, "missing": None, "out_of_order": None, "first": None, "last": None}
before = None
for line in sys.stdin.buffer:
    if not line.endswith(b"\n"):
        # The body was cut within a row.
        break
    row = json.loads(line)
    if "$coverage" in row:
        told["missing"] = row
        continue
    assert told["missing"] is None, "the coverage is the last line"
    told["first"] = told["first"] or time.monotonic() - began
    told["rows"] += 1
    told["sum"] += row["id"]
    this = key(row)
    if terms and before is not None and this < before:
        told["out_of_order"] = told["out_of_order"] or row
    before = this
    if told["rows"] == options.leave:
        break
told["last"] = time.monotonic() - began
print(json.dumps(told))
