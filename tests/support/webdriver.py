"""A headless Chromium, driven over plain HTTP as the WebDriver standard says: needs the driver of the browser only."""

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key under which the standard passes an element


def find_browser():
    """Return the paths of browser and driver, or None where one of them is missing."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Browser:
    """One browser window. Use it in a `with` block, which ends browser and driver."""

    def __init__(self, folder, *, dark=False, script=True):
        self.downloads = Path(folder) / "downloads"
        self._dark = dark
        self._script = script
        self._page = ""
        # Sockets have short paths only.
        self._profile = tempfile.TemporaryDirectory(prefix="browser-")

    def __enter__(self):
        binary, driver = find_browser()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._driver = subprocess.Popen(
            [driver, f"--port={port}", "--log-level=OFF"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"TMPDIR": self._profile.name},
        )
        self._base = f"http://127.0.0.1:{port}"
        self._wait_for_driver()
        preferences = {"download.default_directory": str(self.downloads)}
        if not self._script:
            preferences["profile.managed_default_content_settings.javascript"] = 2
        arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            f"--user-data-dir={self._profile.name}/profile",
            f"--blink-settings=preferredColorScheme={0 if self._dark else 1}",
        ]
        options = {
            "binary": binary,
            "args": arguments,
            "prefs": preferences,
        }
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._base += f"/session/{session['sessionId']}"
        return self

    def __exit__(self, *_):
        try:
            self._ask("DELETE", "")
        finally:
            self._driver.terminate()
            self._driver.wait(timeout=30)
            self._profile.cleanup()

    def _wait_for_driver(self):
        for _ in range(600):
            try:
                if self._ask("GET", "/status")["ready"]:
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("the browser's driver does not answer")

    def _ask(self, method, path, content=None):
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self._base + path, data, {"Content-Type": "application/json"}, method=method)
        # No proxy stands between a test and this machine's own driver.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def open(self, path):
        """Load a file by its URL."""
        self._page = Path(path).resolve().as_uri()
        self._ask("POST", "/url", {"url": self._page})

    def run(self, script, *arguments):
        """Run JavaScript in the page and return what it returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def size(self, width, height):
        """Make the page's own area so large, also narrower than a window can be."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.tell("Emulation.setDeviceMetricsOverride", metrics)

    def tell(self, command, parameters):
        """Send a command of Chromium's own protocol."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def find(self, selector):
        """Return the first element that a CSS selector names."""
        return self._ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        """Click as a person does: what is hidden or covered cannot be clicked."""
        self._ask("POST", f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        """Type into a field, in place of what it holds."""
        element = self.find(selector)
        self._ask("POST", f"/element/{element}/clear", {})
        self._ask("POST", f"/element/{element}/value", {"text": text})

    def type_choice(self, selector, text):
        """Choose an entry of a menu by typing its first letters."""
        self._ask("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def press(self, key, *held):
        """Press a key for whatever has the focus, others held meanwhile."""
        down = [{"type": "keyDown", "value": value} for value in (*held, key)]
        up = [{"type": "keyUp", "value": value} for value in (key, *held)]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": down + up}]})

    def text(self, selector):
        """Return the text of an element as a person sees it."""
        return self.run("return document.querySelector(arguments[0]).innerText.trim()", selector)

    def wait_for(self, script, seconds=10.0):
        """Wait until JavaScript returns something true, and return that."""
        end = time.monotonic() + seconds
        while True:
            value = self.run(script)
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"waited in vain for: {script}")
            time.sleep(0.05)

    def picture(self, path, *, whole=False):
        """Write a PNG of what is seen, or of the whole page."""
        path.parent.mkdir(parents=True, exist_ok=True)
        shot = self.tell("Page.captureScreenshot", {"captureBeyondViewport": whole})
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self):
        """Return what the browser's console says, each with its level; SEVERE: errors, breaches of a page's policy."""
        return [f"{entry['level']}: {entry['message']}" for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def requests(self):
        """Return the addresses that the page asked for since the last call, but for its own."""
        entries = self._ask("POST", "/se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        # The empty window of the start is a page of the browser and asks for its parts.
        of_page = [item["request"]["url"] for item in sent if item["documentURL"] == self._page]
        return [address for address in of_page if address != self._page]
