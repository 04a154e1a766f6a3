"""A client by Python's ssl.

get PORT AUTHORITY PATH [--name NAME] [--cert FILE --key FILE] [--alpn A,B] [--max 1.2]
    one request; prints what it saw as JSON
again PORT AUTHORITY NAME
    one handshake with a request after the other, until standard input ends; prints a summary
"""
import argparse
import json
import select
import socket
import ssl
import sys


def ask(port, context, name, path):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=name) as tls:
            host = name or "127.0.0.1"
            tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            octets = b""
            while True:
                try:
                    piece = tls.recv(65536)
                except ssl.SSLEOFError:
                    raise RuntimeError("the end came without close_notify")
                if not piece:
                    break
                octets += piece
            certificate = tls.getpeercert() or {}
            head, _, body = octets.partition(b"\r\n\r\n")
            return {
                "status": int(head.split(b" ")[1]),
                "head": head.decode("latin-1"),
                "body": body.decode("utf-8", "replace"),
                "alpn": tls.selected_alpn_protocol(),
                "version": tls.version(),
                "serial": certificate.get("serialNumber"),
                "names": [name for _, name in certificate.get("subjectAltName", ())],
            }


def context_of(authority):
    return ssl.create_default_context(cafile=authority)


def get(words):
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("authority")
    parser.add_argument("path")
    parser.add_argument("--name")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--alpn")
    parser.add_argument("--max")
    asked = parser.parse_args(words)
    context = context_of(asked.authority)
    if asked.name is None:
        context.check_hostname = False
    if asked.cert:
        context.load_cert_chain(asked.cert, asked.key)
    if asked.alpn:
        context.set_alpn_protocols(asked.alpn.split(","))
    if asked.max == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        told = ask(asked.port, context, asked.name, asked.path)
    except (OSError, RuntimeError) as error:
        told = {"error": str(error)}
    print(json.dumps(told))


def again(words):
    port, authority, name = int(words[0]), words[1], words[2]
    count, failures, serials = 0, [], []
    while not select.select([sys.stdin], [], [], 0)[0]:
        count += 1
        try:
            told = ask(port, context_of(authority), name, "/tls/seen")
            if told["status"] != 200:
                failures.append(str(told))
            if not serials or serials[-1] != told["serial"]:
                serials.append(told["serial"])
        except (OSError, RuntimeError) as error:
            failures.append(str(error))
    print(json.dumps({"handshakes": count, "failures": failures, "serials": serials}))


{"get": get, "again": again}[sys.argv[1]](sys.argv[2:])
