"""Ten clients that send 200 MiB each at once: memory, disk, and what is left when they leave.

And clients that send what is no form. The folder of uploads is empty after each.
"""
import hashlib
import os
import socket
import threading
import time
from pathlib import Path

from .site import Site

CLIENTS = 10
MIB = 1 << 20
SIZE = 200 * MIB
BOUND = 32.0
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="film.bin"\r\n\r\n'
TAIL = b"\r\n--b--\r\n"


def run(report, options):
    piece = os.urandom(MIB)
    with Site(options, keys=["max_upload = 300m", "upload_folder = uploads"], folders=["uploads"]) as site:
        folder = Path(site.folder.name, "uploads")
        # What the first request makes for good is not an upload's.
        send(site, "/up/one", piece, MIB)
        before = site.memory()
        together(report, site, piece, folder, before)
        leaving(report, site, piece, folder)
        damaged(report, site, folder)
        report.bound("memory after all of it, above what it was", site.memory() - before, BOUND, "MiB")


def begin(site, path, size):
    one = socket.create_connection(("127.0.0.1", site.port))
    one.settimeout(120)
    length = len(HEAD) + size + len(TAIL)
    one.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                f"Content-Length: {length}\r\n\r\n".encode() + HEAD)
    return one


def send(site, path, piece, size):
    """The answer to a whole upload."""
    with begin(site, path, size) as one:
        for _ in range(size // MIB):
            one.sendall(piece)
        one.sendall(TAIL)
        answer = b""
        while more := one.recv(65536):
            answer += more
        return answer


def together(report, site, piece, folder, before):
    answers, most, most_files = [], before, 0
    uploads = [threading.Thread(target=lambda: answers.append(send(site, "/up/form", piece, SIZE)))
               for _ in range(CLIENTS)]
    began = time.monotonic()
    for one in uploads:
        one.start()
    while any(one.is_alive() for one in uploads):
        most = max(most, site.memory())
        most_files = max(most_files, len(list(folder.iterdir())))
        time.sleep(0.02)
    took = time.monotonic() - began
    whole = sum(b" 200 OK" in answer.split(b"\r\n")[0] for answer in answers)
    report.holds(f"{CLIENTS} uploads of {SIZE // MIB} MiB at once, all taken", whole == CLIENTS, f"{whole} of {CLIENTS}")
    report.note(f"{took:.1f} s, {CLIENTS * SIZE / MIB / took:.0f} MiB/s, clients, server and disk on one machine")
    report.bound("memory at its most, above what it was", most - before, BOUND, "MiB")
    answer = send(site, "/up/form", piece, SIZE)
    report.holds("size of one, as its handler has it", f'"size":{SIZE}'.encode() in answer, SIZE)
    empty(report, folder, "files left when all are answered")


def leaving(report, site, piece, folder):
    """Clients that are gone after half of it."""
    clients = [begin(site, "/up/one", SIZE) for _ in range(CLIENTS)]
    for _ in range(20):
        for one in clients:
            one.sendall(piece)
    report.note(f"{len(list(folder.iterdir()))} files under way")
    for one in clients:
        one.close()
    empty(report, folder, "files left when their clients left half way")


def damaged(report, site, folder):
    """Clients that send what is no form."""
    refused = 0
    for round in range(200):
        body = HEAD + hashlib.sha256(str(round).encode()).digest() * 10_000
        body = body[:len(body) - round * 7] + (b"" if round % 2 else b"\r\n--b\r\n\x00\r\n\r\n")
        with socket.create_connection(("127.0.0.1", site.port)) as one:
            one.settimeout(30)
            one.sendall(f"POST /up/one HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: multipart/form-data; "
                        f"boundary=b\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            refused += b" 400 " in one.recv(65536).split(b"\r\n")[0]
    report.holds("damaged forms refused with 400", refused == 200, f"{refused} of 200")
    empty(report, folder, "files left of them")


def empty(report, folder, what):
    end = time.monotonic() + 10
    while (left := len(list(folder.iterdir()))) and time.monotonic() < end:
        time.sleep(0.01)
    report.holds(what, left == 0, left)
