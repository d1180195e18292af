"""A headless Chromium, spoken to in its own DevTools protocol, over a pipe."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import attrs

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser")


@attrs.define
class Browser:
    """One tab. What it complains of or asks the network for is collected, and is to be nothing."""

    _process: "subprocess.Popen[bytes]"
    _session: str = ""
    _heard: bytes = b""
    complaints: list[str] = attrs.field(factory=list[str])
    requests: dict[str, str] = attrs.field(factory=dict[str, str])
    _loads: int = 0
    _numbers: Iterator[int] = attrs.field(factory=lambda: count(1))

    def attach(self) -> None:
        """Make a tab, and hear of all that happens in it."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        answer = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = answer["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; note the events that come before its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message).encode() + b"\0")
        self._process.stdin.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, page: Path) -> None:
        """Open a file and wait until its script has set it up."""
        self.complaints.clear()
        self.requests.clear()
        self.call("Page.navigate", url=page.as_uri())
        while self._receive().get("method") != "Page.loadEventFired":
            pass
        self.run("until(() => document.documentElement.dataset.ready)")

    def follow(self, script: str) -> None:
        """Do in the page what leads to another, and wait until that has loaded."""
        loads = self._loads
        self.call("Runtime.evaluate", expression=f"setTimeout(() => {{ {_HELP}; {script} }})")
        while self._loads == loads:
            self._receive()

    def run(self, script: str) -> Any:
        """What an expression of the page's own world gives; promises are awaited."""
        answer = self.call(
            "Runtime.evaluate",
            expression=f"(async () => {{ {_HELP}; return await ({script}) }})()",
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys, by the names that browsers have for them, or by their letters."""
        for key in keys:
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            code = {"Enter": 13, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
            more = {"windowsVirtualKeyCode": code[key]} if key in code else {}
            self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, **more)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key, **more)

    def resize(self, width: int, height: int, scheme: str = "light") -> None:
        """Give the page another size, in CSS pixels, and another colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def picture(self, path: Path) -> None:
        """Write a screenshot."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout
        while b"\0" not in self._heard:
            more = os.read(self._process.stdout.fileno(), 1 << 16)
            assert more, "chromium has ended"
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\0")
        event: dict[str, Any] = json.loads(line)
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self._loads += 1
        if method in ("Runtime.exceptionThrown", "Page.javascriptDialogOpening"):
            self.complaints.append(json.dumps(parameters))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("warning", "error"):
            self.complaints.append(parameters["entry"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(json.dumps(parameters["args"]))
        elif method == "Network.requestWillBeSent":
            self.requests[parameters["requestId"]] = parameters["request"]["url"]
        elif method == "Network.loadingFailed" and parameters.get("blockedReason") == "csp":
            # It is told of all the same, but has not been sent.
            del self.requests[parameters["requestId"]]
        return event


_HELP = """
const $ = (selector) => document.querySelector(selector);
const $$ = (selector) => [...document.querySelectorAll(selector)];
const texts = (selector) => $$(selector).map((each) => each.textContent);
const row = (start) => $$(".row").find((each) => each.querySelector(".line").textContent.startsWith(start));
const unfold = (start) => row(start).getAttribute("aria-expanded") === "false" && row(start).click();
const until = async (check) => {
  for (let times = 0; times < 2000; times++) {
    const found = check();
    if (found) return found;
    await new Promise((resume) => requestAnimationFrame(resume));
  }
  throw new Error(`never: ${check}`);
};
const search = async (query) => {
  $("#query").value = query;
  $("#query").dispatchEvent(new Event("input"));
  await until(() => $("#found").getAttribute("aria-busy") === "false");
}
"""


@contextmanager
def browsing(profile: Path) -> Generator[Browser]:
    """Run Chromium with a new profile in the folder `profile`, and a tab in it."""
    assert EXECUTABLE
    command = [
        # Chromium listens at 3 and answers at 4.
        *("/bin/sh", "-c", 'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null', EXECUTABLE),
        "--headless",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--remote-debugging-pipe",
        f"--user-data-dir={profile}",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
        "about:blank",
    ]
    with (
        profile.with_name(f"{profile.name}.log").open("wb") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        try:
            browser = Browser(process)
            browser.attach()
            yield browser
            browser.call("Browser.close")
            process.wait(30)
        finally:
            process.kill()
