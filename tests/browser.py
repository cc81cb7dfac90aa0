"""A headless Chromium, driven over its DevTools protocol by two pipes: nothing else is needed."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # of which a container may have too little
    "--disable-3d-apis",  # TensorBoard draws with SVG then, and not with WebGL
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
PATIENCE = 30.0  # seconds


class BrowserError(Exception):
    """The browser, or the page in it, reports an error or does not answer."""


class Browser:
    """Chromium with an empty profile; `page` opens what is at an address."""

    def __init__(self, profile: Path) -> None:
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if program is None:
            raise BrowserError("chromium is not installed: `make browser` installs it on Debian")
        # It reads from its descriptor 3 and writes to 4.
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "bash",
             program, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands)
        os.close(answers)
        self._buffer = b""
        self._sent = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """The result of a method of the protocol."""
        self._sent += 1
        message: dict[str, Any] = {"id": self._sent, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == message["id"]:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def _receive(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            if not select.select([self._answers], [], [], max(end - time.monotonic(), 0))[0]:
                raise BrowserError(f"no answer within {PATIENCE:g} s")
            received = os.read(self._answers, 2**20)
            if not received:
                raise BrowserError("the browser has ended")
            self._buffer += received
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    @contextlib.contextmanager
    def page(self, address: str, width: int = 1280, height: int = 900) -> Iterator[Page]:
        """A new page at an address; it is closed afterwards."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.resize(width, height)
        page.open(address)
        try:
            yield page
        finally:
            self.call("Target.closeTarget", targetId=target["targetId"])
            self.call("Target.disposeBrowserContext", browserContextId=context)

    def close(self) -> None:
        with contextlib.suppress(BrowserError, OSError):
            self.call("Browser.close")
        os.close(self._commands)
        os.close(self._answers)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Page:
    """A page of the browser: what is in it is asked for, and done, by JavaScript or by input."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser = browser
        self.session = session

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete'")

    def ask(self, expression: str, **values: Any) -> Any:
        """The value of a JavaScript expression, in which the given values have their names."""
        given = "".join(f"const {name} = {json.dumps(value)}; " for name, value in values.items())
        answer = self.call(
            "Runtime.evaluate",
            expression=f"(() => {{ {given}return ({expression}); }})()",
            returnByValue=True,
            awaitPromise=True,
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", str(details)))
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float = PATIENCE) -> Any:
        """The expression's value, once it is true."""
        end = time.monotonic() + seconds
        while not (value := self.ask(expression)):
            if time.monotonic() > end:
                raise BrowserError(f"not within {seconds:g} s: {expression}")
            time.sleep(0.02)
        return value

    def settle(self) -> None:
        """Waits until what was asked for is drawn."""
        two_frames = "requestAnimationFrame(() => requestAnimationFrame(done))"
        self.ask(f"new Promise((done) => {two_frames})")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Presses a key of the keyboard and lets go of it."""
        common: Mapping[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text: str) -> None:
        """Types into what has the focus, in place of what is there."""
        self.ask("document.activeElement.select()")
        self.call("Input.insertText", text=text)

    def choose(self, element: str, value: str) -> None:
        """Chooses from the menu with this id."""
        self.ask(
            "(() => { const menu = document.getElementById(id); menu.value = value; "
            "menu.dispatchEvent(new Event('change')); })()",
            id=element,
            value=value,
        )
        self.settle()

    def resize(self, width: int, height: int, scale: float = 1, mobile: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=mobile,
        )

    def prefer(self, scheme: str) -> None:
        """Sets what the user prefers: "light" or "dark"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path: Path, element: str | None = None) -> Path:
        """A picture of all of the page, or of an element."""
        box = self.ask(
            "(() => { const {x, y, width, height} = (document.querySelector(element) ?? "
            "document.documentElement).getBoundingClientRect(); "
            "return {x: x + scrollX, y: y + scrollY, width, height, scale: 1}; })()",
            element=element or "html",
        )
        shot = self.call("Page.captureScreenshot", clip=box, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    @property
    def errors(self) -> list[str]:
        """What the page wrote to its console as errors or warnings, or failed to load."""
        self.call("Runtime.getIsolateId")  # and all that was sent before it
        found = []
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            what = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(what["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded" and what["entry"]["level"] == "error":
                found.append(str(what["entry"]))
            elif event["method"] == "Runtime.consoleAPICalled" and what["type"] in (
                "error",
                "warning",
            ):
                found.append(str(what["args"]))
        return found

    @property
    def requests(self) -> list[str]:
        """The addresses that the page asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.browser.events
            if event.get("sessionId") == self.session
            and event["method"] == "Network.requestWillBeSent"
        ]
