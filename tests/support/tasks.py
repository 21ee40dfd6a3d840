"""Small data of each task but one label of one text, and classifiers of them: each is made once for all tests."""

import csv
import functools
import itertools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.data.sources import Files
from pipeline.run import check
from pipeline.steps.base import Context
from pipeline.steps.execute import StepsResult, check_steps, run_steps
from pipeline.steps.store import Store
from pipeline.tasks.inputs import Input
from tests.conftest import TOPICS, composed, shrunk, small

SEVERAL, PAIRS, BOTH = "multi_label", "single_label_pairs", "multi_label_pairs"  # other tests make all of single_label
TASKS = (SEVERAL, PAIRS, BOTH)
LABELS = {
    SEVERAL: ["food", "music", "weather"],
    PAIRS: ["different", "same"],
    BOTH: ["food", "music", "same", "weather"],
}
OPTIMS = (  # with every kind of step
    "baseline_int8", "baseline_onnx_4bit", "baseline_onnx_static", "baseline_openvino_int8", "bert_base_random",
    "distilbert", "movement_pruning", "static_embeddings", "structured_pruning", "student_2l_low_rank",
    "student_2l_trimmed", "tfidf",
)  # fmt: skip
QUICKLY = [f"backbone.{role}.finetune.learning_rate=1e-2" for role in ("teacher", "student")]  # answers depend on the text
TEXTS: list[Input] = ["rain tomorrow", "play a song and order a pizza", "a text that is longer"]
QUERIES: list[Input] = [("rain tomorrow 1", "play a song 2"), ("play a song 2", "is it sunny"), ("a", "a longer text")]


def rows_of(task: str) -> list[tuple[str, ...]]:
    """The header, and rows of short texts of one or two topics; of pairs: whether both are of the same topic."""
    topics = {text: topic for topic, phrases in TOPICS.items() for text in phrases}
    pairs = list(itertools.product(topics, topics))[::2]
    if task == SEVERAL:
        joined = [(f"{one} and {two}", "|".join(sorted({topics[one], topics[two]}))) for one, two in pairs]
        return [("text", "label"), *joined, *topics.items(), *[(f"hm {number}", "") for number in range(6)]]
    rows = []
    for number, (one, two) in enumerate(pairs):
        same = topics[one] == topics[two]
        label = ("same" if same else "different") if task == PAIRS else topics[one] + "|same" * same
        rows.append((f"{one} {number}", two, label))
    return [("first", "second", "label"), *rows]


def settings_of(task: str) -> dict[str, Any]:
    """The settings of the data besides the file."""
    columns: dict[str, Any] = {} if task == SEVERAL else {"text_column": "first", "pair_column": "second"}
    return columns if task == PAIRS else columns | {"label_separator": "|"}


def queries_of(task: str) -> list[Input]:
    """Inputs of a task."""
    return TEXTS if task == SEVERAL else QUERIES


@dataclass(frozen=True)
class Maker:
    """Makes what tests ask for, in one `track.root`."""

    folder: Path

    @property
    def root(self) -> Path:
        """The `track.root`."""
        return self.folder / "mlruns"

    def prepare(self, database: Path) -> None:
        """Write the data of each task, and have a ready database of MLflow."""
        self.root.mkdir(parents=True)
        shutil.copy(database, self.root / "mlflow.db")
        for task in TASKS:
            with (self.folder / f"{task}.csv").open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows(rows_of(task))

    def config(self, task: str, optim: str, more: Sequence[str] = ()) -> Config:
        """A job of a task, its trainings one epoch long."""
        config = shrunk(composed(f"optim={optim}", *small(self.root, Path("toy.csv")), *QUICKLY, *more))
        assert isinstance(config.data, Files)
        file = str(self.folder / f"{task}.csv")
        return replace(config, data=replace(config.data, name=task, train=file, **settings_of(task)))

    def context(self, task: str) -> Context:
        """The data of a task."""
        return _context(self, task)

    def made(self, task: str, optim: str) -> StepsResult:
        """What an optimization makes."""
        return _made(self, task, optim)

    def artifact(self, task: str, optim: str) -> Path:
        """The same, its classifier."""
        return self.made(task, optim).artifact


@functools.cache
def _context(maker: Maker, task: str) -> Context:
    config = maker.config(task, "tfidf")
    return Context(config.data.load(config.seed), config.backbone, config.seed)


@functools.cache
def _made(maker: Maker, task: str, optim: str) -> StepsResult:
    config, context = maker.config(task, optim), maker.context(task)
    check(config)
    context = replace(context, backbone=config.backbone)
    check_steps(config.optim, context)
    return run_steps(config.optim, context, Store(maker.root))
