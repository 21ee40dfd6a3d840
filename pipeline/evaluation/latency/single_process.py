"""Measurements of a single process, after the pairs: predictions, batches, memory, and a profile with `measure.profile`.

One worker process, pinned like those of the pairs, predicts both splits and reports its memory. For the profile it also
answers a thousand single calls, or those that fit into 20 s, on texts drawn from the test split, which have realistic
lengths: they give latency by tokens, and energy where the machine reports it. It is also timed with batches of several
sizes, for about 20 s at most. Further fresh processes answer with more threads, and one with up to four cores serves several
clients at once.
"""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.config import Measure
from pipeline.evaluation.latency import energy
from pipeline.evaluation.latency.process import Worker
from pipeline.evaluation.profile import Curve, Profile
from pipeline.system import machine
from pipeline.tasks.inputs import Given, Input

log = logging.getLogger(__name__)
THROUGHPUT_TEXTS = 512
CALLS = 1000  # single calls of the profile, at most
MIN_CALLS, CALLS_S = 20, 20.0  # fewer calls where CALLS would take longer than this, as long texts do
BLOCKS = 10  # of single calls; the memory is read after each
MAX_GROUPS, MIN_GROUP_CALLS = 12, 20  # number of groups in the curve over tokens, and calls in each group
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
BATCH_S, BATCHES = 0.5, 3  # minimum time and number of batches for each size
CURVE_S = 20.0  # for all batch sizes; larger ones that would take longer are left out
THREADS_MS, THREADS_CALLS = (
    1000,
    (20, 100),
)  # for each number of threads: the time, and the minimum and maximum number of calls
CLIENTS = (1, 2, 4, 8)
SERVE_S = 1.5  # time for each number of clients
SERVING_CORES = 4  # at most; the clients can't keep more cores busy


class SingleProcess(NamedTuple):
    """The measurements of a single process."""

    logits: np.ndarray  # float32 (texts, n_labels)
    validation_logits: dict[int | None, np.ndarray]  # the same for each fold of the validation split
    load_ms: float  # loading the classifier in a ready process, imports included
    first_call_ms: float  # the first call after loading
    texts_per_s: float  # in batches of `batch_size`
    memory: dict[str, float]  # by MLflow name, MB (2^20 bytes)
    tasks: int | None  # threads of the process, with those of the runtime
    profile: Profile | None


class SingleCalls(NamedTuple):
    """Single calls of one process, and its memory after loading, after warm-up and after each block of calls."""

    ms: np.ndarray  # float64 (calls,)
    tokenize_ms: np.ndarray  # float64 (calls,)
    tokens: np.ndarray  # int64 (calls,)
    memory: list[dict[str, float]]
    first_call_ms: float
    joules: float  # of all processor packages; 0 where unknown


def measure_single_process(
    artifact: Path,
    texts: Sequence[Input],
    validation: Mapping[int | None, Sequence[Input]],
    settings: Measure,
    cores: Sequence[int],
) -> SingleProcess:
    """Measure one classifier on the test texts; its worker is pinned to `cores` ([]: not pinned).

    `validation` has the texts of that split by fold (see `pipeline.runtimes.crossfit`); they are only predicted.
    Raises MeasureError when a worker process fails.
    """
    rng = np.random.default_rng(settings.seed)
    calls = [texts[i] for i in rng.choice(len(texts), size=CALLS, replace=len(texts) < CALLS)]
    batch = throughput_texts(texts, rng)
    profile = None
    with Worker(artifact, settings.threads, cores) as worker:
        singles = _single_calls(worker, calls, settings)
        speed = worker.ask("throughput", texts=batch, batch_size=settings.batch_size)["texts_per_s"]
        logits = worker.logits(texts, settings.batch_size)
        held_out = {fold: worker.logits(some, settings.batch_size, fold) for fold, some in validation.items()}
        tasks = worker.ask("tasks")["tasks"]
        batches = _by_batch(worker, calls) if settings.profile else None
    if batches is not None:
        clients, used = _by_clients(artifact, calls, settings)
        curves = (_by_tokens(singles), _by_threads(artifact, calls, settings, singles), batches, clients)
        profile = Profile(curves, _energy(singles) | _cost(clients, used, settings.price_per_core_hour))
    memory = memory_metrics(singles.memory)
    return SingleProcess(logits, held_out, worker.load_ms, singles.first_call_ms, speed, memory, tasks, profile)


def throughput_texts(texts: Sequence[Given], rng: np.random.Generator) -> list[Given]:
    """The texts of the throughput, in random order: the first ones of a file are often of one label or length."""
    return [texts[i] for i in np.resize(rng.permutation(len(texts)), THROUGHPUT_TEXTS).tolist()]


def usable_cores() -> float:
    """The number of cores that this process may use, or its CPU quota in cores where that is less."""
    facts = machine.machine()
    return float(min(facts["cores"], facts.get("quota_cores", math.inf)))


def _single_calls(worker: Worker, texts: Sequence[Input], settings: Measure) -> SingleCalls:
    calls = texts if settings.profile else []
    memory, blocks, joules = [worker.ask("memory")], [worker.time([])], 0.0
    first_call_ms = float(worker.time(texts[:1]).ms[0])
    warm = worker.time(texts[: settings.warmup_calls])
    memory.append(worker.ask("memory"))
    calls = calls[: affordable(calls_ms(warm.ms, first_call_ms), len(calls))]
    if len(calls) < len(texts) and settings.profile:
        log.info("profile: %d single calls, not %d, which would take over %.0f s", len(calls), len(texts), CALLS_S)
    block = math.ceil(len(calls) / BLOCKS) or 1
    for start in range(0, len(calls), block):
        before = energy.counters()
        blocks.append(worker.time(calls[start : start + block]))
        joules += energy.spent_j(before, energy.counters())
        memory.append(worker.ask("memory"))
    ms, tokenize_ms, tokens = (
        np.concatenate([getattr(block, name) for block in blocks]) for name in ("ms", "tokenize_ms", "tokens")
    )
    return SingleCalls(ms, tokenize_ms, tokens, memory, first_call_ms, joules)


def calls_ms(warm: np.ndarray, first_call_ms: float) -> float:
    """The time of a call: the mean of the warm-up, whose calls are float64 (calls,); without one the first call's."""
    return float(warm.mean()) if len(warm) else first_call_ms


def affordable(ms: float, most: int) -> int:
    """How many calls of this time the profile makes: those that fit into CALLS_S, at least MIN_CALLS, at most `most`."""
    return min(most, max(MIN_CALLS, int(1000 * CALLS_S / ms)))


def memory_metrics(readings: Sequence[dict[str, float]]) -> dict[str, float]:
    """Memory metrics of readings after loading, after warm-up and, with a profile, after every hundred calls.

    `memory/peak_mb` is the system's peak of resident memory after warm-up, and `memory/peak_warm_mb` after all calls. The
    system has no peak of the proportional set size: `memory/pss_peak_mb` is the largest reading, so it may miss a short
    peak. Values that the platform does not report are left out.
    """
    metrics = {"memory/pss_loaded_mb": readings[0].get("pss_mb"), "memory/peak_mb": readings[1].get("peak_mb")}
    if len(readings) > 2:
        seen = [reading["pss_mb"] for reading in readings if "pss_mb" in reading]
        metrics |= {"memory/pss_warm_mb": readings[-1].get("pss_mb"), "memory/pss_peak_mb": max(seen, default=None)}
        metrics |= {"memory/peak_warm_mb": readings[-1].get("peak_mb")}
    return {name: value for name, value in metrics.items() if value is not None}


def _by_tokens(singles: SingleCalls) -> Curve:
    """Medians of calls of similar length; x is the median number of tokens."""
    groups = group_by_length(singles.tokens)
    model_ms = singles.ms - singles.tokenize_ms
    parts = {"p50_ms": singles.ms, "tokenize_ms": singles.tokenize_ms, "model_ms": model_ms}
    medians = {name: tuple(float(np.median(values[group])) for group in groups) for name, values in parts.items()}
    series = medians | {"calls": tuple(float(len(group)) for group in groups)}
    return Curve("tokens", tuple(int(np.median(singles.tokens[group])) for group in groups), series)


def group_by_length(tokens: np.ndarray) -> list[np.ndarray]:
    """Group calls of similar length, short ones first: the indices of each group; `tokens` int64 (calls,).

    The smallest group joins its smaller neighbour until there are at most `MAX_GROUPS`, each with `MIN_GROUP_CALLS` calls.
    """
    groups = [np.flatnonzero(tokens == length) for length in np.unique(tokens)]
    while len(groups) > MAX_GROUPS or (len(groups) > 1 and min(map(len, groups)) < MIN_GROUP_CALLS):
        smallest = min(range(len(groups)), key=lambda i: len(groups[i]))
        beside = [i for i in (smallest - 1, smallest + 1) if 0 <= i < len(groups)]
        left = min(smallest, min(beside, key=lambda i: len(groups[i])))
        groups[left : left + 2] = [np.concatenate(groups[left : left + 2])]
    return groups


def _by_batch(worker: Worker, calls: Sequence[Input]) -> Curve:
    """Each batch size on the same texts in the given order, so padding counts; see CURVE_S."""
    texts, speeds, start = calls[: max(BATCH_SIZES)], list[float](), time.monotonic()
    for size in BATCH_SIZES:
        answered = size + max(len(texts), BATCHES * size)
        if speeds and time.monotonic() - start + answered / speeds[-1] > CURVE_S:
            log.info("profile: batches of %d and more texts are left out, they would take over %.0f s", size, CURVE_S)
            break
        worker.ask("throughput", texts=texts[:size], batch_size=size)  # warm up
        answer = worker.ask("throughput", texts=texts, batch_size=size, seconds=BATCH_S, batches=BATCHES)
        speeds.append(float(answer["texts_per_s"]))
    return Curve(
        "batch", BATCH_SIZES[: len(speeds)],
        {"ms_per_text": tuple(1000 / speed for speed in speeds), "texts_per_s": tuple(speeds)},
    )  # fmt: skip


def _by_threads(artifact: Path, calls: Sequence[Input], settings: Measure, singles: SingleCalls) -> Curve:
    """Single calls of a fresh process for each number of threads, on the same number of cores and the same texts."""
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


def _by_clients(artifact: Path, calls: Sequence[Input], settings: Measure) -> tuple[Curve, float]:
    """The curve of one process that serves each number of clients (see `serving`), and the number of its cores.

    A call uses `threads` threads. Where processes can't be pinned, the process has all cores.
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


def _energy(singles: SingleCalls) -> dict[str, float]:
    """Millijoules of all processor packages for one text, including idle power and other processes."""
    return {"energy/mj_per_text": 1000 * singles.joules / len(singles.ms)} if singles.joules > 0 else {}


def _cost(clients: Curve, cores: float, price_per_core_hour: float | None) -> dict[str, float]:
    """At the best number of clients: texts per core and second, and the price of a million texts in the price's currency."""
    speed = max(clients.series["texts_per_s"]) / cores
    metrics = {"cost/texts_per_core_s": speed}
    if price_per_core_hour is not None:
        metrics["cost/price_per_million_texts"] = price_per_core_hour / 3600 / speed * 1e6
    return metrics
