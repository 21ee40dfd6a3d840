"""Concurrent clients inside a worker process: what a service with this classifier would see.

Each client is a thread that sends its next text as soon as the last is answered (a closed loop). The threads share the
interpreter's lock, as they do in a real Python service: only what the runtime and the tokenizer do outside Python runs at
the same time on several cores. The network between client and service is not counted.
"""

import itertools
import time
from collections.abc import Callable
from typing import Any

WARM_UP_S = 0.2  # and at least one call of each client


def serve(call: Callable[[str], object], texts: list[str], clients: int, seconds: float) -> list[dict[str, Any]]:
    """Of each client: `ms` of its calls, begun within that time and at least one, and the `seconds` they took together.

    All its threads have ended when it returns. Raises what a client's call raised.
    """
    from concurrent.futures import ThreadPoolExecutor

    warm = time.perf_counter() + WARM_UP_S
    end = warm + seconds

    def client(number: int) -> dict[str, Any]:
        turn = itertools.cycle(texts[number % len(texts) :] + texts[: number % len(texts)])
        call(next(turn))
        while time.perf_counter() < warm:
            call(next(turn))
        spent: list[float] = []
        began = now = time.perf_counter()
        while now < end or not spent:
            start = time.perf_counter()
            call(next(turn))
            now = time.perf_counter()
            spent.append(1000 * (now - start))
        return {"ms": spent, "seconds": now - began}

    with ThreadPoolExecutor(clients) as pool:
        return [future.result() for future in [pool.submit(client, number) for number in range(clients)]]
