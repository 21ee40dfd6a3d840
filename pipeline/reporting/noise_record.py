"""Record of a noise run: `noise.json` after every repetition; table, metrics, raw calls and plot at the end, in MLflow."""

import csv
import json
from pathlib import Path
from typing import Any

from pipeline.config import Config, plain
from pipeline.evaluation.latency.samples import Pair, speedup
from pipeline.evaluation.noise.repeat import Repetition
from pipeline.evaluation.noise.summary import Findings
from pipeline.reporting.noise_floor import KIND
from pipeline.reporting.noise_words import conclusion, legend, table
from pipeline.reporting.plots import noise as noise_plot
from pipeline.tracking import contents
from pipeline.tracking.run import NOTE, Run
from pipeline.tracking.runs import Tracker


def folder_of(root: str, run_id: str) -> Path:
    """The folder of a noise run's files, outside MLflow."""
    return Path(root).resolve() / "noise" / run_id


def mark(tracker: Tracker, run: Run, config: Config) -> None:
    """Mark the run, so that it is not taken for the run of an optimization."""
    tracker.client.set_tag(run.run_id, "kind", KIND)
    tracker.client.update_run(run.run_id, name=f"noise of {config.optim.name}")


def parameters(config: Config) -> dict[str, object]:
    """The parameters of a noise run, besides those of every run."""
    noise, measure = config.noise, config.measure
    return {
        "repetitions": noise.repetitions, "slowdown": noise.slowdown,
        "max_seconds": measure.max_seconds, "precision": measure.precision, "margin": measure.margin,
    }  # fmt: skip


def write_json(findings: Findings, folder: Path) -> None:
    """Write all repetitions so far, with the ratios of their pairs.

    It replaces the file in one step, so a kill can't damage it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "optim": findings.optim,
        "slowdown": findings.slowdown,
        "measure": plain(findings.settings),
        "repetitions": [_repetition(item) for item in findings.repetitions],
        "baseline": findings.baseline,
        "against_baseline": [_repetition(item) for item in findings.against_baseline],
    }
    new = folder / "noise.json.new"
    new.write_text(json.dumps(content, indent=1), encoding="utf-8")
    new.replace(folder / "noise.json")


def _repetition(repetition: Repetition) -> dict[str, Any]:
    conditions = repetition.conditions
    content = {
        **conditions.metrics(),
        "contended": repetition.contended or None,
        "pairs": [_pair(pair) for pair in repetition.pairs],
    }
    return {name: value for name, value in content.items() if value is not None}


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "candidate_first": pair.candidate_first,
        "elapsed_s": pair.elapsed_s,
        "log_ratio": pair.log_ratio,
        "p50_log_ratio": pair.percentile_log_ratio(50),
        "p95_log_ratio": pair.percentile_log_ratio(95),
    }


def write_csv(findings: Findings, path: Path) -> None:
    """Write one line a pair, in full precision, with the speed-up of the session's pairs so far and its interval.

    `against`: what the pair was measured against, the classifier itself or the baseline.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        names = [*_pair(findings.repetitions[0].pairs[0]), "speedup", "low", "high"]
        lines.writerow(["against", "repetition", "pair", *names])
        for against, sessions in (("itself", findings.repetitions), ("baseline", findings.against_baseline)):
            for number, session in enumerate(sessions):
                for place, pair in enumerate(session.pairs):
                    known = speedup(session.pairs[: place + 1])
                    lines.writerow([against, number, place, *_pair(pair).values(), known.value, known.low, known.high])


def finish(tracker: Tracker, run: Run, findings: Findings, folder: Path) -> None:
    """Write plot, table, all calls and metrics to the folder and to MLflow; the conclusion is the run's description."""
    write_csv(findings, folder / "noise.csv")
    contents.write_repetitions([item.pairs for item in findings.repetitions], folder / "latency.parquet")
    if findings.against_baseline:
        pairs = [item.pairs for item in findings.against_baseline]
        contents.write_repetitions(pairs, folder / "latency_against_baseline.parquet")
    noise_plot.save(findings, folder)
    run.log_folder(folder)
    for name, value in findings.metrics().items():
        tracker.client.log_metric(run.run_id, name, value)
    for result in findings.by_pair_count:
        for name, value in (("width", result.width), ("excludes_1", result.share)):
            tracker.client.log_metric(run.run_id, f"noise/by_max_seconds/{name}", value, step=round(result.seconds))
    note = f"{conclusion(findings)}\n\n{table(findings).markdown()}\n\n{legend(findings)}"
    tracker.client.set_tag(run.run_id, NOTE, note)
