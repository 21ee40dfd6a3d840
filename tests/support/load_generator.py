"""Clients that ask a server at the same time: python tests/support/load_generator.py http://127.0.0.1:8000 "a text"

It tells requests a second, and the middle and the 95th percentile of how long one takes, in milliseconds.
"""

import argparse
import json
import threading
import time
import urllib.request
from collections.abc import Sequence
from typing import Any


def ask(address: str, texts: Sequence[Any]) -> Any:
    """What a server predicts."""
    body = json.dumps({"inputs": list(texts)}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{address}/invocations", body), timeout=30) as answer:
        return json.load(answer)["predictions"]


def load(address: str, text: Any, clients: int, requests: int) -> dict[str, float]:
    """Each client sends its requests one after the other, each with a text."""
    took: list[float] = []

    def client() -> None:
        for _ in range(requests):
            start = time.perf_counter()
            ask(address, [text])
            took.append(time.perf_counter() - start)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, ordered = time.perf_counter() - start, sorted(took)
    at = {name: 1000 * ordered[int(share * (len(ordered) - 1))] for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95))}
    return {"requests": len(took), "requests_per_second": len(took) / seconds, **at}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("text")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=200, help="of each client")
    given = parser.parse_args()
    print(load(given.address, given.text, given.clients, given.requests))
