"""Reads /metrics with the parsers of the official Python client, in both formats.

`metrics.py PORT PASSWORD`: both texts must parse to the end, have the content type of their format, and the same series.
Prints in JSON the kind of each family, and the value of each series by its name and labels, of the classic format.
"""
import base64
import json
import sys
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as classic

port, password = sys.argv[1:3]
LOGIN = "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()
# As Prometheus 3 asks.
WANTS_OPENMETRICS = ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
                     "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.1")


def scraped(accept, parser, kind):
    headers = {"Accept": accept, "Authorization": LOGIN}
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=headers)) as reply:
        assert reply.headers["Content-Type"] == kind, reply.headers["Content-Type"]
        families = list(parser(reply.read().decode()))
    names = [family.name for family in families]
    assert len(set(names)) == len(names), names
    return families


def series(families):
    found = {}
    for family in families:
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            key = f"{sample.name}{{{labels}}}"
            assert key not in found, key
            found[key] = sample.value
    return found


of_classic = scraped("text/plain", classic, "text/plain; version=0.0.4; charset=utf-8")
of_openmetrics = scraped(WANTS_OPENMETRICS, openmetrics, "application/openmetrics-text; version=1.0.0; charset=utf-8")
both = series(of_classic), series(of_openmetrics)
assert both[0].keys() == both[1].keys(), both[0].keys() ^ both[1].keys()
for family in of_openmetrics:
    assert family.documentation and family.type != "unknown", family
    assert not family.unit or family.name.endswith("_" + family.unit), family
print(json.dumps({"kinds": {family.name: family.type for family in of_openmetrics}, "series": both[0]}))
