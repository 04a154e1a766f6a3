"""Starts a program in a folder and a terminal of its own, closes that once it answers, and prints the exit code."""
import os
import pty
import signal
import socket
import sys
import time

folder, port, program, *arguments = sys.argv[1:]
process, terminal = pty.fork()
if process == 0:
    os.chdir(folder)
    os.execv(program, [program, *arguments])
end = time.monotonic() + 30
while True:
    try:
        with socket.create_connection(("127.0.0.1", int(port)), 5) as conn:
            conn.sendall(b"GET /ping HTTP/1.0\r\n\r\n")
            assert conn.recv(100).startswith(b"HTTP/1.0 200")
        break
    except OSError:
        assert time.monotonic() < end, "it does not start"
        time.sleep(0.02)
os.close(terminal)
end = time.monotonic() + 30
while True:
    ended, status = os.waitpid(process, os.WNOHANG)
    if ended:
        break
    if time.monotonic() > end:
        os.kill(process, signal.SIGKILL)
        sys.exit("it does not end")
    time.sleep(0.02)
print(os.waitstatus_to_exitcode(status))
