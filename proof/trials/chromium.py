"""Debian's Chromium, driven over a pipe by its own protocol: no driver, no port, nothing to install beside it.

Messages are JSON with a NUL behind each, on descriptors 3 and 4 of the browser (`--remote-debugging-pipe`).
"""
import base64
import contextlib
import itertools
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time

WORDS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
         "--remote-debugging-pipe", "--password-store=basic"]


class Gone(Exception):
    """The browser has ended, or has said in vain for too long."""


class Browser:
    """A browser with one page at a time."""

    def __init__(self, program, login=None):
        self.login = login
        self.home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        down_read, down_write = os.pipe()
        up_read, up_write = os.pipe()

        def places():
            # The child has them at 3 and 4, wherever they were.
            kept = [os.dup(down_read), os.dup(up_write)]
            high = [os.dup2(one, 100 + at) for at, one in enumerate(kept)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.child = subprocess.Popen(
            [program, *WORDS, f"--user-data-dir={self.home.name}/user", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False,
            preexec_fn=places, start_new_session=True, env={**os.environ, "HOME": self.home.name})
        os.close(down_read)
        os.close(up_write)
        self.down, self.up = down_write, up_read
        self.numbers = itertools.count(1)
        self.answers, self.events = {}, queue.Queue()
        self.lock = threading.Lock()
        self.session = None
        threading.Thread(target=self.read, daemon=True).start()
        target = next(one for one in self.send("Target.getTargets")["targetInfos"] if one["type"] == "page")
        self.session = self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        if login:
            self.send("Fetch.enable", handleAuthRequests=True)

    def read(self):
        rest = b""
        while piece := os.read(self.up, 1 << 16):
            *messages, rest = (rest + piece).split(b"\0")
            for message in messages:
                self.heard(json.loads(message))
        for waiting in list(self.answers.values()):
            waiting.put({"error": {"message": "the browser has ended"}})

    def heard(self, message):
        if "id" in message:
            waiting = self.answers.pop(message["id"], None)
            if waiting:
                waiting.put(message)
            return
        method, params = message["method"], message.get("params", {})
        if method == "Fetch.requestPaused":
            self.post("Fetch.continueRequest", requestId=params["requestId"])
        elif method == "Fetch.authRequired":
            user, password = self.login
            answer = {"response": "ProvideCredentials", "username": user, "password": password}
            self.post("Fetch.continueWithAuth", requestId=params["requestId"], authChallengeResponse=answer)
        else:
            self.events.put((method, params))

    def post(self, method, **params):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        with self.lock:
            os.write(self.down, json.dumps(message).encode() + b"\0")
        return number

    def send(self, method, within=30, **params):
        """Says something and gives the answer."""
        waiting = queue.Queue()
        with self.lock:
            number = next(self.numbers)
            self.answers[number] = waiting
            message = {"id": number, "method": method, "params": params}
            if self.session:
                message["sessionId"] = self.session
            data = json.dumps(message).encode() + b"\0"
            while data:
                data = data[os.write(self.down, data):]
        try:
            answer = waiting.get(timeout=within)
        except queue.Empty:
            raise Gone(f"{method}: no answer within {within} s") from None
        if "error" in answer:
            raise Gone(f"{method}: {answer['error']['message']}")
        return answer.get("result", {})

    def screen(self, width, is_dark=False, height=900):
        """The width of the page in CSS pixels, and its palette."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def scripts(self, may_run):
        self.send("Emulation.setScriptExecutionDisabled", value=not may_run)

    def go(self, url, within=20):
        """Opens a page, and waits until it is loaded."""
        self.events = queue.Queue()
        told = self.send("Page.navigate", url=url)
        if told.get("errorText"):
            raise Gone(f"{url}: {told['errorText']}")
        self.wait("Page.loadEventFired", within)

    def wait(self, method, within=20):
        until = time.monotonic() + within
        while True:
            try:
                name, params = self.events.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                raise Gone(f"no {method} within {within} s") from None
            if name == method:
                return params

    def ask(self, script, within=30):
        """What a script comes to in the page."""
        told = self.send("Runtime.evaluate", within, expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in told:
            raise Gone(told["exceptionDetails"].get("exception", {}).get("description", "a script failed"))
        return told["result"].get("value")

    def eventually(self, script, within=10):
        """Waits until a script comes to something that is true; how many seconds that took, or `None`."""
        began = time.monotonic()
        while time.monotonic() - began < within:
            if self.ask(script):
                return time.monotonic() - began
            time.sleep(0.02)
        return None

    def picture(self, path):
        """The whole page as a PNG."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 8000), "scale": 1}
        told = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        with open(path, "wb") as file:
            file.write(base64.b64decode(told["data"]))

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()
        self.home.cleanup()
