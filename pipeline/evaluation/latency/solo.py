"""What a classifier does alone, after the pairs: predictions, batches, memory, and with `profile` where its time goes.

One worker process, pinned like those of the pairs, predicts the test split and tells its memory. With `profile` it also
answers a thousand single calls, on texts drawn from the test split, so that their lengths are the real ones: latency by
tokens, and energy where the machine tells. It takes batches of all sizes. Further fresh processes answer with more threads,
and one with up to four cores serves several clients at once.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.config import Measure
from pipeline.evaluation.latency import energy
from pipeline.evaluation.latency.process import Worker
from pipeline.evaluation.profile import Curve, Profile
from pipeline.system import machine

THROUGHPUT_TEXTS = 512
CALLS = 1000  # single calls of the profile
BLOCK = 100  # of them between two looks at the memory
MOST_GROUPS, FEWEST_CALLS = 12, 20  # of the curve over tokens, and in each of its groups
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
BATCH_S, BATCHES = 0.5, 3  # for each size at least
THREADS_MS, THREADS_CALLS = 1000, (20, 100)  # for each number of threads: that long, but so few and so many calls
CLIENTS = (1, 2, 4, 8)
SERVE_S = 1.5  # for each number of clients
SERVING_CORES = 4  # at most: as many as so many clients can keep busy, on any machine


class Solo(NamedTuple):
    """What `solo` found."""

    logits: np.ndarray  # float32 (texts, n_labels)
    load_ms: float  # process ready -> classifier loaded, imports included
    first_call_ms: float  # the first call after loading
    texts_per_s: float  # in batches of `batch_size`
    memory: dict[str, float]  # by its name in MLflow, MB (2^20 bytes)
    tasks: int | None  # threads that the process has, those included that the runtime has started
    profile: Profile | None


class Singles(NamedTuple):
    """Single calls of one process; its memory after loading, after warming up and after each block of calls."""

    ms: np.ndarray  # float64 (calls,)
    tokenize_ms: np.ndarray  # float64 (calls,)
    tokens: np.ndarray  # int64 (calls,)
    memory: list[dict[str, float]]
    first_call_ms: float
    joules: float  # of all processor packages, 0 where it is not told


def solo(artifact: Path, texts: list[str], settings: Measure, cores: Sequence[int]) -> Solo:
    """Measure one classifier alone, on the test texts; `cores`: what its worker is pinned to, [] for none.

    Raises MeasureError when a worker process fails.
    """
    rng = np.random.default_rng(settings.seed)
    calls = [texts[i] for i in rng.choice(len(texts), size=CALLS, replace=len(texts) < CALLS)]
    profile = None
    with Worker(artifact, settings.threads, cores) as worker:
        singles = _single_calls(worker, calls, settings)
        batch = (texts * (1 + THROUGHPUT_TEXTS // len(texts)))[:THROUGHPUT_TEXTS]
        speed = worker.ask("throughput", texts=batch, batch_size=settings.batch_size)["texts_per_s"]
        logits = worker.logits(texts, settings.batch_size)
        tasks = worker.ask("tasks")["tasks"]
        batches = _by_batch(worker, calls) if settings.profile else None
    if batches is not None:
        clients, used = _by_clients(artifact, calls, settings)
        curves = (_by_tokens(singles), _by_threads(artifact, calls, settings, singles), batches, clients)
        profile = Profile(curves, _energy(singles) | _cost(clients, used, settings.price_per_core_hour))
    return Solo(logits, worker.load_ms, singles.first_call_ms, speed, memory_of(singles.memory), tasks, profile)


def usable_cores() -> float:
    """How many cores' worth of time this process may use: those it may run on, or its quota where that is less."""
    told = machine.machine()
    return float(min(told["cores"], told.get("quota_cores", math.inf)))


def _single_calls(worker: Worker, texts: list[str], settings: Measure) -> Singles:
    calls = texts if settings.profile else []
    memory, blocks, joules = [worker.ask("memory")], [worker.time([])], 0.0
    first_call_ms = float(worker.time(texts[:1]).ms[0])
    worker.time(texts[: settings.warmup_calls])
    memory.append(worker.ask("memory"))
    for start in range(0, len(calls), BLOCK):
        before = energy.counters()
        blocks.append(worker.time(calls[start : start + BLOCK]))
        joules += energy.spent_j(before, energy.counters())
        memory.append(worker.ask("memory"))
    ms, tokenize_ms, tokens = (
        np.concatenate([getattr(block, name) for block in blocks]) for name in ("ms", "tokenize_ms", "tokens")
    )
    return Singles(ms, tokenize_ms, tokens, memory, first_call_ms, joules)


def memory_of(told: Sequence[dict[str, float]]) -> dict[str, float]:
    """Memory after loading, after warming up, and with a profile after every hundred of its calls: `told`, in this order.

    `memory/peak_mb` is the system's own peak of resident memory, after warming up, `memory/peak_warm_mb` that after all
    calls. It tells no peak of the proportional set size: `memory/pss_peak_mb` is the largest that was seen, so a shorter one
    may have been missed. What the platform does not tell is left out.
    """
    metrics = {"memory/pss_loaded_mb": told[0].get("pss_mb"), "memory/peak_mb": told[1].get("peak_mb")}
    if len(told) > 2:
        seen = [moment["pss_mb"] for moment in told if "pss_mb" in moment]
        metrics |= {"memory/pss_warm_mb": told[-1].get("pss_mb"), "memory/pss_peak_mb": max(seen, default=None)}
        metrics |= {"memory/peak_warm_mb": told[-1].get("peak_mb")}
    return {name: value for name, value in metrics.items() if value is not None}


def _by_tokens(singles: Singles) -> Curve:
    """Medians of calls of like length; x is the median number of tokens."""
    groups = groups_of(singles.tokens)
    model_ms = singles.ms - singles.tokenize_ms
    parts = {"p50_ms": singles.ms, "tokenize_ms": singles.tokenize_ms, "model_ms": model_ms}
    medians = {name: tuple(float(np.median(values[group])) for group in groups) for name, values in parts.items()}
    series = medians | {"calls": tuple(float(len(group)) for group in groups)}
    return Curve("tokens", tuple(int(np.median(singles.tokens[group])) for group in groups), series)


def groups_of(tokens: np.ndarray) -> list[np.ndarray]:
    """Calls of like length together, short ones first: for each group their indices; `tokens` int64 (calls,).

    The smallest group joins its smaller neighbour until there are few enough and each has calls enough for a median.
    """
    groups = [np.flatnonzero(tokens == length) for length in np.unique(tokens)]
    while len(groups) > MOST_GROUPS or (len(groups) > 1 and min(map(len, groups)) < FEWEST_CALLS):
        smallest = min(range(len(groups)), key=lambda i: len(groups[i]))
        beside = [i for i in (smallest - 1, smallest + 1) if 0 <= i < len(groups)]
        left = min(smallest, min(beside, key=lambda i: len(groups[i])))
        groups[left : left + 2] = [np.concatenate(groups[left : left + 2])]
    return groups


def _by_batch(worker: Worker, calls: list[str]) -> Curve:
    """Each size over the same texts, as they come: padding counts."""
    texts, speeds = calls[: max(BATCH_SIZES)], []
    for size in BATCH_SIZES:
        worker.ask("throughput", texts=texts[:size], batch_size=size)  # warm up
        answer = worker.ask("throughput", texts=texts, batch_size=size, seconds=BATCH_S, batches=BATCHES)
        speeds.append(float(answer["texts_per_s"]))
    return Curve(
        "batch", BATCH_SIZES, {"ms_per_text": tuple(1000 / speed for speed in speeds), "texts_per_s": tuple(speeds)}
    )


def _by_threads(artifact: Path, calls: list[str], settings: Measure, singles: Singles) -> Curve:
    """Single calls of a fresh process for each number of threads, on as many cores and the same texts."""
    most = math.ceil(usable_cores())
    numbers = tuple(sorted({most} | {2**i for i in range(most.bit_length())}))
    texts = calls[: int(np.clip(THREADS_MS / np.median(singles.ms), *THREADS_CALLS))]
    spent = []
    for threads in numbers:
        if threads == settings.threads:
            spent.append(singles.ms[: len(texts)])  # the same texts, the same pinning
            continue
        with Worker(artifact, threads, machine.least_busy_cores(threads)) as worker:
            worker.time(calls[: settings.warmup_calls] or calls[:1])
            spent.append(worker.time(texts).ms)
    return Curve("threads", numbers, _percentiles(spent, (50, 95)))


def _by_clients(artifact: Path, calls: list[str], settings: Measure) -> tuple[Curve, float]:
    """One process with several cores, `threads` threads a call, for each number of clients (see `serving`); and the cores.

    Where processes can't be pinned, it has all of them.
    """
    spent, speeds = [], []
    cores = machine.least_busy_cores(min(math.ceil(usable_cores()), SERVING_CORES))
    with Worker(artifact, settings.threads, cores) as worker:
        for number in CLIENTS:
            clients: list[dict[str, Any]] = worker.ask("serve", texts=calls, clients=number, seconds=SERVE_S)["clients"]
            spent.append(np.concatenate([client["ms"] for client in clients]))
            speeds.append(float(sum(len(client["ms"]) / client["seconds"] for client in clients)))
    curve = Curve("clients", CLIENTS, _percentiles(spent, (50, 95, 99)) | {"texts_per_s": tuple(speeds)})
    return curve, min(usable_cores(), len(cores) or math.inf)


def _percentiles(spent: Sequence[np.ndarray], percentiles: Sequence[int]) -> dict[str, tuple[float, ...]]:
    return {f"p{which}_ms": tuple(float(np.percentile(ms, which)) for ms in spent) for which in percentiles}


def _energy(singles: Singles) -> dict[str, float]:
    """Millijoules of all processor packages for one text, what they take idle and for others included."""
    return {"energy/mj_per_text": 1000 * singles.joules / len(singles.ms)} if singles.joules > 0 else {}


def _cost(clients: Curve, cores: float, price_per_core_hour: float | None) -> dict[str, float]:
    """At the best number of clients: texts for each core and second, and the price of a million, in the price's currency."""
    speed = max(clients.series["texts_per_s"]) / cores
    metrics = {"cost/texts_per_core_s": speed}
    if price_per_core_hour is not None:
        metrics["cost/price_per_million_texts"] = price_per_core_hour / 3600 / speed * 1e6
    return metrics
