"""The members: the process of `tests/chaos/members.py` and the line to it."""
import json
import socket
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "tests/chaos/members.py"


class Members:
    def __init__(self, count):
        self.process = subprocess.Popen([sys.executable, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.control = socket.create_connection(("127.0.0.1", int(self.process.stdout.readline()))).makefile("rw")
        self.ports = [int(port) for port in self.ask(f"open {count}").split()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask(self, command):
        self.control.write(command + "\n")
        self.control.flush()
        answer = self.control.readline().strip()
        if not answer.startswith("ok"):
            raise RuntimeError(f"{command}: {answer}")
        return answer[2:].strip()

    def node(self, member):
        return f"127.0.0.1:{self.ports[member]}"

    def section(self, name="members", *keys, of=None):
        """A section of a configuration with these members, all unless said."""
        nodes = ", ".join(self.node(member) for member in (range(len(self.ports)) if of is None else of))
        return "\n".join([f"[@{name}]", f"members = {nodes}", *keys])

    def set(self, faults, *which):
        ports = [self.ports[member] for member in which] or self.ports
        self.ask(f"set {','.join(map(str, ports))} {faults}")

    def tell(self):
        return json.loads(self.ask(f"tell {','.join(map(str, self.ports))}"))

    def counted(self, name="requests"):
        return [told[name] for told in self.tell()]

    def sums(self):
        return json.loads(self.ask("sums"))

    def zero(self):
        self.ask("zero")
