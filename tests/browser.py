"""A headless Chromium, driven over its DevTools protocol.

The protocol is spoken over a pipe (`--remote-debugging-pipe`), which needs no library: messages are
JSON, each ended by a zero byte.
"""

import base64
import io
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
from PIL import Image

PROGRAM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
MISSING = "needs Chromium on the PATH" if not PROGRAM else ""
SWITCHES = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # which root may not use; the pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-features=Translate,IsolateSandboxedIframes,IsolateOrigins,site-per-process",
    "--disable-sync",
    "--hide-scrollbars",
    "--mute-audio",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing leaves this machine
    "--window-size=1400,900",
]
SECONDS = 90  # to wait for anything; a busy machine needs them


class Browser:
    """Chromium with one page; a context manager.

    Args:
        folder: An empty folder for its profile.
    """

    def __init__(self, folder: Path):
        self._folder, self._number, self._received = folder, 0, b""
        self._session: str | None = None

    def __enter__(self) -> "Browser":
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4.
        script = f'exec "$@" 3<&{commands} 4>&{answers}'
        words = [PROGRAM, *SWITCHES, f"--user-data-dir={self._folder}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", script, "chromium", *words],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"HOME": str(self._folder)},
        )
        os.close(commands)
        os.close(answers)
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        found = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        self._call("Page.enable")
        return self

    def __exit__(self, *error) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def open(self, address: str) -> None:
        """Loads a page, without what another page left behind."""
        self._call("Page.navigate", url="about:blank")
        if error := self._call("Page.navigate", url=address).get("errorText"):
            raise AssertionError(f"{address}: {error}")

    def run(self, script: str):
        """The value of an expression of JavaScript in the page."""
        return self._evaluate(script)

    def text(self) -> str:
        """The text that is visible, of the page and of the frames in it."""
        found = [self._evaluate("document.body ? document.body.innerText : ''")]
        tree = self._call("Page.getFrameTree")["frameTree"]
        for child in tree.get("childFrames", ()):
            frame = child["frame"]["id"]
            world = self._call("Page.createIsolatedWorld", frameId=frame)["executionContextId"]
            found.append(self._evaluate("document.body.innerText", contextId=world))
        return "\n".join(found)

    def wait_for(self, *words: str) -> str:
        """The text of the page once it has all of some words."""
        deadline, text = time.monotonic() + SECONDS, ""
        while time.monotonic() < deadline:
            try:
                text = self.text()
            except ConnectionResetError:  # the page or a frame is being replaced
                text = ""
            if all(word in text for word in words):
                return text
            time.sleep(0.2)
        missing = [word for word in words if word not in text]
        raise AssertionError(f"The page lacks {missing} after {SECONDS} s: {text[:3000]}")

    def wait_until(self, script: str) -> None:
        """Waits until an expression of JavaScript is true."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if self._evaluate(script):
                return
            time.sleep(0.2)
        raise AssertionError(f"{script} is not true after {SECONDS} s: {self.text()[:3000]}")

    def screenshot(self, path: Path) -> np.ndarray:
        """Saves a picture of the window; returns its pixels, `[height, width, 3]`."""
        content = base64.b64decode(self._call("Page.captureScreenshot")["data"])
        path.write_bytes(content)
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))

    def _evaluate(self, script, **options):
        found = self._call(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            **options,
        )
        if details := found.get("exceptionDetails"):
            raise AssertionError(f"{script}: {details}")
        return found["result"].get("value")

    def _call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + SECONDS
        while True:
            found = self._next(deadline)
            if found.get("id") == self._number:
                if "error" in found:
                    raise ConnectionResetError(f"{method}: {found['error']}")
                return found["result"]

    def _next(self, deadline):
        """The next message, an answer or an event."""
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._answers], [], [], deadline - time.monotonic())
            if not ready:
                raise TimeoutError(f"Chromium gave no answer in {SECONDS} s.")
            if not (read := os.read(self._answers, 1 << 20)):
                raise ConnectionError("Chromium has ended.")
            self._received += read
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)


def is_blank(pixels: np.ndarray) -> bool:
    """True if nearly all pixels of a picture have one color."""
    colors, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    return len(colors) < 20 or counts.max() > 0.995 * counts.sum()
