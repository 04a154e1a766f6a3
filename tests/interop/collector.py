"""A collector of traces, by the published schema of OTLP (opentelemetry-proto from PyPI).

`collector.py` serves on a free port, prints the port and runs until its stdin ends.

- POST /v1/traces takes an ExportTraceServiceRequest in OTLP/JSON. What the schema does not know is refused with 400, and
  so are ids that are no hexadecimal digits of their length, numbers of 64 bits that are no texts, and a span that ends
  before it begins;
- POST /mode?code=503&times=2&after=1&hang=9 says how to answer the next requests instead: this code, so often, with this
  Retry-After, or after so many seconds;
- GET /spans gives all spans that were taken, with their resource, as JSON; GET /requests what became of each request.
"""

import base64
import http.server
import json
import sys
import threading
import time
import urllib.parse

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

spans, requests, mode = [], [], {}
lock = threading.Lock()


class Wrong(Exception):
    """What is wrong with a document."""


def as_protobuf(value):
    """OTLP/JSON as JSON of protobuf: ids in Base64."""
    if isinstance(value, list):
        return [as_protobuf(one) for one in value]
    if not isinstance(value, dict):
        return value
    changed = {}
    for name, one in value.items():
        digits = {"traceId": 32, "spanId": 16, "parentSpanId": 16}.get(name)
        if digits:
            if len(one) != digits or set(one) - set("0123456789abcdef") or not one.strip("0"):
                raise Wrong(f"{name} is {one!r}")
            one = base64.b64encode(bytes.fromhex(one)).decode()
        elif name in ("intValue", "startTimeUnixNano", "endTimeUnixNano", "timeUnixNano") and not isinstance(one, str):
            raise Wrong(f"{name} is {one!r}, and no text")
        changed[name] = as_protobuf(one)
    return changed


def value(any_value):
    """A value of an attribute, as Python has it."""
    kind = any_value.WhichOneof("value")
    if kind in (None, "array_value", "kvlist_value"):
        raise Wrong(f"a value of the kind {kind}")
    return getattr(any_value, kind)


def read(document):
    request = json_format.ParseDict(as_protobuf(json.loads(document)), trace_service_pb2.ExportTraceServiceRequest())
    taken = []
    for of_resource in request.resource_spans:
        resource = {one.key: value(one.value) for one in of_resource.resource.attributes}
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                if span.end_time_unix_nano < span.start_time_unix_nano or not span.name:
                    raise Wrong(f"{span}")
                keys = [one.key for one in span.attributes]
                if len(keys) != len(set(keys)):
                    raise Wrong(f"a key twice: {keys}")
                taken.append(
                    {
                        "resource": resource,
                        "scope": of_scope.scope.name,
                        "trace": span.trace_id.hex(),
                        "span": span.span_id.hex(),
                        "parent": span.parent_span_id.hex(),
                        "state": span.trace_state,
                        "name": span.name,
                        "kind": span.kind,
                        "status": span.status.code,
                        "message": span.status.message,
                        "start": span.start_time_unix_nano,
                        "end": span.end_time_unix_nano,
                        "attributes": {one.key: value(one.value) for one in span.attributes},
                        "events": [
                            {"name": event.name, "attributes": {one.key: value(one.value) for one in event.attributes}}
                            for event in span.events
                        ],
                    }
                )
    return taken


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, code, body, headers=()):
        body = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with lock:
            self.answer(200, spans if self.path == "/spans" else requests)

    def do_POST(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path == "/mode":
            with lock:
                mode.clear()
                mode.update({name: float(one) for name, one in urllib.parse.parse_qsl(query)})
            return self.answer(200, {})
        told = {"code": 200, "at": time.time(), "path": path, "bytes": len(body), "headers": dict(self.headers)}
        with lock:
            is_odd = mode.get("times", 0) > 0
            if is_odd:
                mode["times"] -= 1
            now = dict(mode)
        if is_odd:
            time.sleep(now.get("hang", 0))
            told["code"] = int(now.get("code", 200))
        taken = []
        try:
            if self.headers.get("Content-Type") != "application/json":
                raise Wrong(f"Content-Type: {self.headers.get('Content-Type')}")
            # What is not taken is not read: a collector that fails must not be busy with it.
            taken = read(body) if told["code"] == 200 else []
        except Exception as error:  # noqa: BLE001, whatever is wrong is told
            told.update(code=400, error=f"{type(error).__name__}: {error}")
        if told["code"] == 200:
            with lock:
                spans.extend(taken)
        with lock:
            requests.append(told)
        after = [("Retry-After", str(int(now["after"])))] if is_odd and "after" in now else []
        try:
            self.answer(told["code"], {} if told["code"] == 200 else {"message": told.get("error", "as asked")}, after)
        except BrokenPipeError:
            pass  # nobody waits for the answer any more

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
