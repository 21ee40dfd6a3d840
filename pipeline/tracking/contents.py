"""The contents of a run besides metrics: samples and predictions as Parquet, the machine, the versions."""

import csv
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from pipeline.data.label_lists import are_lists, with_values
from pipeline.evaluation.latency.samples import Pair, Samples
from pipeline.evaluation.quality import by_class, flips
from pipeline.evaluation.report import Judged, Predictions, Report
from pipeline.runtimes.base import all_runtimes
from pipeline.system.machine import load_average, machine, unknown_facts
from pipeline.system.packages import version
from pipeline.system.spreadsheet import safe_cells
from pipeline.tasks import SINGLE_LABEL, Task
from pipeline.tasks.inputs import Input, columns_of, input_columns, inputs_of, parts_of
from pipeline.tasks.single_label import out_of_scope

Split = Literal["test", "validation"]
PREDICTIONS: dict[Split, str] = {"test": "predictions.parquet", "validation": "validation_predictions.parquet"}
PACKAGES = (
    "torch", "transformers", "tokenizers", "datasets", "evaluate", "accelerate", "hydra-core", "mlflow", "numpy",
    "onnx", "optuna", "pyarrow", "psutil", "scipy", "zeus",
)  # fmt: skip  # in addition to those that runtimes require


def write_predictions(judged: Judged, path: Path) -> None:
    """One row per text: text, for pairs text_pair, prediction, score, label, correct, abstained.

    Of several labels prediction, score and label are lists, recalled has for each of label whether it is answered, and parts
    is what a text adds to the metric that ranks (`Task.parts_of`). Where there is a baseline also baseline_correct and
    baseline_recalled, and where there is such a label out_of_scope: whether the label is it.
    """
    predictions, before = judged.predictions, judged.baseline
    predicted, truth, task = predictions.predicted, predictions.truth, predictions.task
    label = pa.chunked_array([pa.array(task.names(truth, predictions.labels))])
    answers = {"recalled": predicted} | ({} if before is None else {"baseline_recalled": before.predicted})
    recalled = {name: with_values(label, pa.array(task.recalled(truth, each))) for name, each in answers.items()}
    table = {
        **columns_of(predictions.texts),
        "prediction": task.names(predicted, predictions.labels),
        "score": list(predictions.scores),
        "label": label,
        "correct": predictions.right,
        "abstained": predictions.abstained,
        **({} if before is None else {"baseline_correct": before.right}),
        **(recalled if are_lists(label.type) else {}),
        **({} if (parts := task.parts_of(predicted, truth)).shape[1] == 1 else {"parts": list(parts)}),
        **({} if predictions.oos is None else {"out_of_scope": out_of_scope(truth, predictions.oos)}),
    }
    parquet.write_table(pa.table(table), path)


def read_predictions(path: Path, labels: Sequence[str], oos: int | None, task: Task = SINGLE_LABEL) -> Predictions:
    """Read a file of `write_predictions`. Raises OSError, ValueError or KeyError if it is damaged or has other labels."""
    table = parquet.read_table(path)
    predicted, truth = (task.indices(table[key].to_pylist(), labels) for key in ("prediction", "label"))
    column = next((name for name in ("abstained", "refused") if name in table.column_names), None)  # as it was called before
    abstained = table[column].to_numpy() if column else np.zeros(len(truth), dtype=bool)
    scores = np.array(table["score"].to_pylist(), dtype=np.float64)
    return Predictions(inputs_in(table), truth, predicted, scores, list(labels), oos, abstained, task)


def inputs_in(table: pa.Table) -> list[Input]:
    """The texts, or pairs of texts, of a table of predictions."""
    return inputs_of({name: table[name].to_pylist() for name in input_columns(table.column_names)})


def write_flips(report: Report, folder: Path) -> None:
    """Write the texts that the baseline answers differently: a summary in flips.md, all of them in flips.csv."""
    after, before = report.test.predictions, report.test.baseline
    if before is None:
        return
    found = flips.find(after.texts, after.truth, before.predicted, after.predicted, after.labels, after.task)
    (folder / "flips.md").write_text(flips.markdown(found, report.optim, "the baseline"), encoding="utf-8")
    with (folder / "flips.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["kind", *columns_of(after.texts), "label", "baseline", "candidate"])
        rows.writerows(
            safe_cells([flip.kind, *parts_of(flip.text), flip.label, flip.baseline, flip.candidate]) for flip in found.flips
        )


def write_classes(judged: Judged, name: str, folder: Path) -> None:
    """Write what each class keeps: the worst and the rarest in classes.md, all of them in classes.csv."""
    if not judged.quality:
        return
    found = by_class.of(judged)
    (folder / "classes.md").write_text(by_class.markdown(found, name), encoding="utf-8")
    with (folder / "classes.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(by_class.COLUMNS)
        rows.writerows(safe_cells(one.cells()) for one in found)


class Process(NamedTuple):
    """The samples of one process."""

    who: str  # "candidate" or "baseline"
    pair: int  # number of the pair
    started_first: bool  # whether it was the first of the pair to start
    samples: Samples


def timed_processes(report: Report) -> list[Process]:
    """The processes of a report: those of its pairs, or those of the baseline alone."""
    if report.comparison is not None:
        return processes_of_pairs(report.comparison.pairs)
    return [Process("baseline", number, True, samples) for number, samples in enumerate(report.latency.processes)]


def processes_of_pairs(pairs: Sequence[Pair]) -> list[Process]:
    """Both processes of each pair."""
    return [
        Process(who, number, (who == "candidate") == pair.candidate_first, getattr(pair, who))
        for number, pair in enumerate(pairs)
        for who in ("candidate", "baseline")
    ]


def latency_table(timed: Sequence[Process]) -> pa.Table:
    """One row per timed call: who, pair, started_first, query, block, ms, tokenize_ms, tokens, descheduled.

    `query` is the text's index in the split (-1: not of the split; its place in the pass where the index is unknown).
    `tokenize_ms` is a part of `ms`; `descheduled` is true if the process lost its core in that block.
    """
    return pa.concat_tables(
        pa.table(
            {
                "who": [process.who] * len(process.samples.ms),
                "pair": [process.pair] * len(process.samples.ms),
                "started_first": [process.started_first] * len(process.samples.ms),
                **_calls(process.samples),
            }
        )
        for process in timed
    )


def write_latency(report: Report, path: Path) -> None:
    """Write every timed call of a report (see `latency_table`)."""
    parquet.write_table(latency_table(timed_processes(report)), path)


def write_repetitions(repetitions: Sequence[Sequence[Pair]], path: Path) -> None:
    """Write every timed call of several measurements (see `latency_table`), with the column `repetition`."""
    tables = [latency_table(processes_of_pairs(pairs)) for pairs in repetitions]
    numbered = [table.add_column(0, "repetition", [[number] * len(table)]) for number, table in enumerate(tables)]
    parquet.write_table(pa.concat_tables(numbered), path)


def _calls(samples: Samples) -> dict[str, Any]:
    count = [block.calls for block in samples.blocks]
    return {
        "query": np.tile(samples.queries or range(len(samples.ms) // samples.passes), samples.passes),
        "block": np.repeat(np.arange(len(count)), count),
        "ms": samples.ms,
        "tokenize_ms": samples.tokenize_ms,
        "tokens": samples.tokens,
        "descheduled": np.repeat([block.descheduled for block in samples.blocks], count),
    }


def write_blocks(report: Report, path: Path) -> None:
    """Write one row per block of calls: who, pair, block, calls, wall and CPU time in ms, involuntary context switches."""
    table = [
        {"who": process.who, "pair": process.pair, "block": place, **vars(block), "descheduled": block.descheduled}
        for process in timed_processes(report)
        for place, block in enumerate(process.samples.blocks)
    ]
    parquet.write_table(pa.Table.from_pylist(table), path)


def installed() -> dict[str, str]:
    """The versions of the packages that a result may depend on, or "not installed"."""
    versions = {}
    for name in dict.fromkeys([*PACKAGES, *(name for runtime in all_runtimes() for name in runtime.requires)]):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def environment() -> dict[str, Any]:
    """The run's `environment.json`: machine, facts that are unknown about it, load, versions."""
    facts = {"machine": machine(), "missing": unknown_facts(), "python": platform.python_version(), "versions": installed()}
    load = load_average()
    return facts if load is None else facts | {"load_average": load}
