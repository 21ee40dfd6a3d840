"""Concurrent clients inside a worker process: the latency of a service with this classifier.

Each client is a thread that sends its next text as soon as the last one is answered (a closed loop). The threads share the
interpreter's lock, as in a real Python service: only runtime and tokenizer code outside Python runs on several cores at the
same time. The network between client and service is not counted.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.tasks.inputs import Input

WARM_UP_S = 0.2  # and at least one call of each client


def serve(call: Callable[[Input], object], texts: Sequence[Input], clients: int, seconds: float) -> list[dict[str, Any]]:
    """For each client: `ms` of its calls, and the `seconds` that all of them took. Each client makes at least one call.

    Clients start no call after the given `seconds`. All threads have ended when it returns. Raises what a client's call
    raised.
    """
    from concurrent.futures import ThreadPoolExecutor

    warm = time.perf_counter() + WARM_UP_S
    end = warm + seconds

    def client(number: int) -> dict[str, Any]:
        turn = itertools.cycle([*texts[number % len(texts) :], *texts[: number % len(texts)]])
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
