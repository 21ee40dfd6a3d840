"""What others answer with an ONNX artifact: the package @huggingface/transformers in Node.js and in a browser.

The package is installed outside of the project (`make transformers-js`); TRANSFORMERS_JS names the folder that has its
`node_modules`. Nothing is loaded from anywhere else.
"""

import contextlib
import functools
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.tasks.inputs import Input

HERE = Path(__file__).parent / "transformers_js"
PACKAGES = Path(os.environ.get("TRANSFORMERS_JS", Path.home() / ".cache" / "transformers.js"))
PACKAGE = PACKAGES / "node_modules" / "@huggingface" / "transformers" / "dist"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 120  # seconds
Labels = dict[str, list[str]]  # by the name of the artifact's folder


def in_node(models: Path, folders: Sequence[str], texts: Sequence[Input]) -> Labels:
    """The labels in Node.js; skips the test where Node.js or the package is missing."""
    node = _program("node")
    asked = json.dumps({"modelPath": f"{models}/", "folders": folders, "texts": texts})
    command = [node, str(HERE / "in_node.mjs"), str(PACKAGE / "transformers.node.mjs")]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def in_browser(models: Path, folders: Sequence[str], texts: Sequence[Input], scratch: Path) -> Labels:
    """The labels in a page that headless Chromium opens; skips the test where it or the package is missing."""
    browser = _program(*BROWSERS)
    heard: queue.Queue[tuple[str, Any]] = queue.Queue()
    with _server(models, {"folders": folders, "texts": texts}, heard) as address, _opened(browser, address, scratch):
        path, found = heard.get(timeout=PATIENCE)
    assert path == "/found", found
    return dict(found)


def _program(*names: str) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no {names[0]} on this machine")
    if not PACKAGE.is_dir():
        pytest.skip(f"@huggingface/transformers is not in {PACKAGES}: make transformers-js")
    return found


class _Handler(SimpleHTTPRequestHandler):
    """Serves the page, the packages and the artifacts, and hears what the page found."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript", ".wasm": "application/wasm"}

    def __init__(self, *given: Any, models: Path, asked: Any, heard: "queue.Queue[tuple[str, Any]]") -> None:
        self._places = {"/models/": models, "/node_modules/": PACKAGES / "node_modules", "/": HERE}
        self._asked, self._heard = asked, heard
        super().__init__(*given)

    def translate_path(self, path: str) -> str:
        start, folder = next((start, folder) for start, folder in self._places.items() if path.startswith(start))
        return str(folder / path.removeprefix(start).partition("?")[0])

    def do_GET(self) -> None:
        if self.path != "/asked.json":
            super().do_GET()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self._asked).encode())

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self._heard.put((self.path, json.loads(said)))

    def log_message(self, *told: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def _server(models: Path, asked: Any, heard: "queue.Queue[tuple[str, Any]]") -> Iterator[str]:
    handler = functools.partial(_Handler, models=models, asked=asked, heard=heard)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/page.html"
        server.shutdown()


@contextlib.contextmanager
def _opened(browser: str, address: str, scratch: Path) -> Iterator[None]:
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        f"--user-data-dir={scratch}", address,
    ]  # fmt: skip
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, start_new_session=True, stdout=nowhere, stderr=nowhere) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
