"""Serves the classifier beside it over HTTP, with the standard library and what `handler.py` needs: python server.py

curl 127.0.0.1:8000/invocations -d '{"inputs": ["a text"]}' gets {"predictions": [...]}; GET /health says that it is ready,
GET /metrics is for Prometheus. SIGTERM ends it when the requests that it has are answered.
"""

import argparse
import importlib
import json
import signal
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BATCH, MAX_BYTES = 32, 8_000_000  # requests that are answered together, bytes of one
EXPECTED = {False: '{"inputs": ["a text"]}', True: '{"inputs": [{"text": "a text", "text_pair": "another"}]}'}
SECONDS = ("0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "1", "3", "+Inf")
METRICS = {  # name and type -> its parts
    "requests_total counter": [f'requests_total{{status="{status}"}}' for status in (200, 400, 413, 500)],
    "batches_total counter": ["batches_total"],
    "seconds histogram": [*(f'seconds_bucket{{le="{most}"}}' for most in SECONDS), "seconds_sum", "seconds_count"],
}


class Server(ThreadingHTTPServer):
    """Each request has a thread; one of them computes, and those that wait meanwhile are the next batch."""

    daemon_threads, request_queue_size = False, 128

    def __init__(self, options: argparse.Namespace) -> None:
        self.answer, self.options = importlib.import_module("handler").EndpointHandler("", options.threads), options
        self.waiting, self.pairs = deque[list[Any]](), self.answer.told["task"].endswith("_pairs")
        self.computing, self.counting = threading.Lock(), threading.Lock()
        self.counts = {name: 0.0 for names in METRICS.values() for name in names}
        super().__init__((options.host, options.port), Connection)

    def answered(self, body: bytes) -> tuple[int, Any]:
        """The status of a request, and what it gets."""
        try:
            texts = json.loads(body)["inputs"]
            texts = texts if isinstance(texts, list) else [texts]
            parts = [part for each in texts for part in ((each["text"], each["text_pair"]) if self.pairs else (each,))]
        except (ValueError, KeyError, TypeError):
            parts = [None]
        if not all(isinstance(part, str) for part in parts):
            return 400, {"error": f"expected {EXPECTED[self.pairs]}"}
        if any(len(part) > self.options.characters for part in parts):
            return 413, {"error": f"a text has more than {self.options.characters} characters"}
        self.waiting.append(request := [texts, 0, None])
        with self.computing:
            while not request[1]:
                self.compute([self.waiting.popleft() for _ in range(min(BATCH, len(self.waiting)))])
        return request[1], request[2]

    def compute(self, requests: list[list[Any]]) -> None:
        """Put status and answers into requests, which are [texts, 0, None]."""
        self.counts["batches_total"] += 1
        try:
            found = iter(self.answer({"inputs": [text for texts, *_ in requests for text in texts]}))
            for request in requests:
                request[1:] = 200, {"predictions": [next(found) for _ in request[0]]}
        except Exception as error:  # all are told, else they would wait for ever
            for request in requests:
                request[1:] = 500, {"error": f"{type(error).__name__}: {error}"}


class Connection(BaseHTTPRequestHandler):
    """A request."""

    server: Server
    timeout, wbufsize = 10, 1 << 16  # seconds for a slow client; headers and body are sent as one

    def do_GET(self) -> None:
        """GET /health or /metrics."""
        told = "ok\n" if self.path == "/health" else ""
        for kind, names in METRICS.items() if self.path == "/metrics" else ():
            told += f"# TYPE classifier_{kind}\n" + "".join(
                f"classifier_{name} {self.server.counts[name]}\n" for name in names
            )
        self.reply(
            200 if told else 404, told or "POST /invocations, GET /health, GET /metrics\n", "text/plain; version=0.0.4"
        )

    def do_POST(self) -> None:
        """POST /invocations."""
        started, size = time.perf_counter(), int(self.headers.get("Content-Length", 0))
        long = 413, {"error": f"more than {MAX_BYTES} bytes"}
        status, told = long if size > MAX_BYTES else self.server.answered(self.rfile.read(size))
        seconds = time.perf_counter() - started
        reached = [f'seconds_bucket{{le="{most}"}}' for most in SECONDS if seconds <= float(most)]
        with self.server.counting:
            self.server.counts["seconds_sum"] += seconds
            for name in (f'requests_total{{status="{status}"}}', "seconds_count", *reached):
                self.server.counts[name] += 1
        self.reply(status, json.dumps(told, ensure_ascii=False), "application/json")

    def reply(self, status: int, told: str, kind: str) -> None:
        """Send it."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(told.encode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the classifier beside this file.")
    for name, default in {"host": "127.0.0.1", "port": 8000, "threads": 1, "characters": 20_000}.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"default {default}")
    with Server(parser.parse_args()) as serving:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=serving.shutdown).start())
        serving.serve_forever()
