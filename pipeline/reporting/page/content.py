"""The content of the page as plain values, from MLflow. It sees no model."""

import csv
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet

from pipeline.evaluation.metrics import LATENCY, headline, quality_label
from pipeline.evaluation.quality.by_class import MAX_RAREST, MAX_WORST
from pipeline.evaluation.quality.flips import GAINED, LOST
from pipeline.evaluation.rows import Row, averaged, order
from pipeline.reporting import tables
from pipeline.reporting.legend import legend
from pipeline.selection.candidate import Candidate
from pipeline.selection.choose import front
from pipeline.system.spreadsheet import original
from pipeline.tracking.runs import Tracker

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
MAX_FLIPS = 15  # for each optimization
SHARES = ("recall", "baseline_recall", "precision")  # columns of classes.csv


@dataclass(frozen=True)
class PageRow:
    """One optimization on the page."""

    name: str
    link: str  # to its run in MLflow's UI; "" for a mean over seeds
    is_baseline: bool
    on_front: bool
    cells: dict[str, str]  # column title -> text
    latency_ms: float  # mean of the calls
    quality: float | None  # accuracy, or of several labels micro F1; None: the weights are random
    size_mb: float
    quantiles_ms: tuple[float, ...] = ()  # of single calls, see `QUANTILES`
    calls: int = 0
    lost: int | None = None  # queries that only the baseline answers right; None for the baseline
    gained: int | None = None
    flips: tuple[dict[str, str], ...] = ()  # lost ones first
    classes: tuple[dict[str, str], ...] = ()  # the worst and the rarest, see `evaluation.quality.by_class.COLUMNS`
    contended: str = ""


@dataclass(frozen=True)
class Content:
    """The whole page."""

    title: str
    rows: tuple[PageRow, ...]
    explanation: tuple[str, ...]  # the sentences of the legend
    measured: dict[str, str]  # machine, versions, settings
    decision: dict[str, Any] | None = None  # decision.json
    columns: tuple[str, ...] = ()
    quality: str = "accuracy"  # what `PageRow.quality` is
    champion: str | None = None  # the current champion's version


def gather(
    tracker: Tracker,
    candidates: Sequence[Candidate],
    title: str,
    address: str,
    noise: str,
    decision: Path,
    champion: str | None,
) -> Content:
    """Collect the content.

    `address`: of MLflow's UI up to the run id; `noise`: the noise floor's sentence; `champion`: a version.
    """
    rows = order(averaged(row for candidate in candidates for row in candidate.rows))
    on_front = {candidate.name for candidate in front(candidates)}
    table = tables.table(rows)
    titles, *lines = table.cells
    page_rows = [
        _page_row(tracker, row, dict(zip(titles[1:], cells[1:], strict=True)), address, on_front)
        for row, cells in zip(rows, lines, strict=True)
    ]
    sentences = [line.removeprefix("- ") for line in legend(rows).splitlines()]
    one = candidates[0].rows[0].run_id
    return Content(
        title,
        tuple(page_rows),
        (*sentences, *table.notes, noise),
        _measured(tracker, one),
        _decision(decision, candidates),
        tuple(tables.most_important_first(titles[1:])),
        quality_label(headline(rows[0].metrics)),
        champion,
    )


def _page_row(tracker: Tracker, row: Row, cells: dict[str, str], address: str, on_front: set[str]) -> PageRow:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        calls = _calls(tracker, row, folder) if row.run_id else np.empty(0)
        flips = _flips(tracker, row, folder) if row.run_id and not row.is_baseline else []
        classes = _classes(tracker, row, folder) if row.run_id else []
    metrics = row.metrics
    return PageRow(
        row.name, f"{address}{row.run_id}" if row.run_id else "", row.is_baseline, row.name in on_front, cells,
        metrics[LATENCY], metrics.get(f"quality/{headline(metrics)}"), metrics["size/mb"],
        tuple(float(value) for value in np.quantile(calls, QUANTILES)) if calls.size else (), int(calls.size),
        _count(metrics, "delta/lost"), _count(metrics, "delta/gained"), tuple(flips), tuple(classes), row.contended,
    )  # fmt: skip


def _count(metrics: dict[str, float], key: str) -> int | None:
    return int(metrics[key]) if key in metrics else None


def _fetched(tracker: Tracker, run_id: str, name: str, folder: Path) -> Path | None:
    """Download an artifact of a run; None where the run has no artifact of this name."""
    if name not in {item.path for item in tracker.client.list_artifacts(run_id)}:
        return None
    return Path(tracker.client.download_artifacts(run_id, name, str(folder)))


def _calls(tracker: Tracker, row: Row, folder: Path) -> np.ndarray:
    """The timed calls of a run, in ms: float64 (calls,)."""
    file = _fetched(tracker, row.run_id, "latency.parquet", folder)
    if file is None:
        return np.empty(0)
    table = parquet.read_table(file, columns=["who", "ms"])
    ours = table["who"].to_numpy() == ("baseline" if row.is_baseline else "candidate")
    calls: np.ndarray = table["ms"].to_numpy()[ours]
    return calls


def _flips(tracker: Tracker, row: Row, folder: Path) -> list[dict[str, str]]:
    file = _fetched(tracker, row.run_id, "flips.csv", folder)
    if file is None:
        return []
    with file.open(encoding="utf-8", newline="") as opened:
        shown = [flip for flip in csv.DictReader(opened) if flip["kind"] in (LOST, GAINED)][:MAX_FLIPS]
    return [{name: original(cell) for name, cell in flip.items()} for flip in shown]


def _classes(tracker: Tracker, row: Row, folder: Path) -> list[dict[str, str]]:
    """Of a run's classes those of the lowest recall, those that lost most and the rarest; shares as percent."""
    file = _fetched(tracker, row.run_id, "classes.csv", folder)
    if file is None:
        return []
    with file.open(encoding="utf-8", newline="") as opened:
        found = [{name: original(cell) for name, cell in one.items()} for one in csv.DictReader(opened)]
    judged = [one for one in found if not one["few"]]
    losers = sorted((one for one in judged if one["baseline_recall"]), key=_change)[: MAX_WORST // 2]
    rarest = sorted(found, key=lambda one: int(one["texts"]))[:MAX_RAREST]
    kept = {one["class"]: one for one in (*judged[: MAX_WORST // 2], *losers, *rarest)}
    return [one | {name: f"{float(one[name]):.1%}" for name in SHARES if one[name]} for one in kept.values()]


def _change(one: dict[str, str]) -> float:
    return float(one["recall"]) - float(one["baseline_recall"])


def _measured(tracker: Tracker, run_id: str) -> dict[str, str]:
    """Machine, versions of the main packages and settings of a run."""
    run = tracker.client.get_run(run_id)
    with tempfile.TemporaryDirectory() as folder:
        file = _fetched(tracker, run_id, "environment.json", Path(folder))
        environment = json.loads(file.read_text(encoding="utf-8")) if file is not None else {}
    versions = environment.get("versions", {})
    return {
        "machine": run.data.tags.get("machine", "unknown"),
        "versions": ", ".join(
            f"{name} {versions[name]}" for name in ("torch", "transformers", "onnxruntime") if name in versions
        ),
        "python": environment.get("python", "unknown"),
        "settings": ", ".join(f"{name} {value}" for name, value in sorted(run.data.params.items()) if name != "optim"),
    }


def _decision(file: Path, candidates: Sequence[Candidate]) -> dict[str, Any] | None:
    """The newest decision, if it is about these runs."""
    if not file.is_file():
        return None
    decision: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    about = {run for each in decision["candidates"] for run in each["runs"]}
    return decision if about == {row.run_id for candidate in candidates for row in candidate.rows} else None
