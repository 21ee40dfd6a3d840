"""`cascade`: a cheap classifier answers when it is confident, a better one otherwise; both are optimizations of their own.

The confidence threshold is fitted on the validation split: the lowest one that costs no accuracy there, for the share of
out-of-scope texts that the better one's decision rule assumes. Each classifier keeps its own rule. The threshold is also
fitted without each fold of the split, for honest answers to its texts (see `pipeline.runtimes.crossfit`).
The classifier itself is in `pipeline/runtimes/cascade.py`.
"""

import json
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.config import Backbone, Optim, Step, kind, setting
from pipeline.errors import ConfigError, OptimizationError
from pipeline.runtimes import crossfit
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.cascade import BETTER, CHEAP, FILE, confidence
from pipeline.steps.base import Context
from pipeline.steps.calibrate import oos_share_of, sample_weights
from pipeline.steps.shared.inference import crossfitted_logits_of, logits_of
from pipeline.system import locks
from pipeline.tasks.decision_rule import Rule
from pipeline.tasks.inputs import Input, inputs_of
from pipeline.tasks.single_label import LABEL, out_of_scope

log = logging.getLogger(__name__)
TIMED = 100  # texts
POINTS = 60  # of the curve


@kind("step", "cascade")
@dataclass(frozen=True)
class Cascade(Step):
    """Settings of `conf/step/cascade.yaml`."""

    cheap: Optim = field(default_factory=Optim)
    better: Optim = field(default_factory=Optim)
    loss: float = setting(0.0, min=0, max=1)

    code_version: ClassVar[int] = 6
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "single_label_pairs")  # it compares the score of one answer
    gives: ClassVar[str] = "cascade"
    learns: ClassVar[bool] = False

    def needs(self, backbone: Backbone) -> dict[str, Optim]:
        """Both classifiers."""
        for name, optim in ((CHEAP, self.cheap), (BETTER, self.better)):
            if not optim.steps:
                raise ConfigError(f"a cascade has no {name} classifier; /optim/NAME@{name} in its defaults gives it one")
        return {CHEAP: self.cheap, BETTER: self.better}

    def inputs(self, context: Context) -> dict[str, Any]:
        """The validation split is part of the data."""
        return {"data": context.splits.content_hash}

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Fit the threshold and store both; metrics: threshold, share of texts that the cheap one answers.

        Notes, under "cascade": the curve over thresholds, and the better classifier "alone".
        """
        validation = context.splits.validation
        texts, truth = inputs_of(validation), np.array(validation[LABEL])
        seen, held_out, batched = {}, {}, True
        for name in (CHEAP, BETTER):
            directory = context.needed[name]
            description = Description.read(directory)
            if description.labels != list(context.splits.labels):
                raise OptimizationError(f"cascade: the {name} classifier has other labels")
            seen[name], held_out[name] = _answers(directory, texts, truth, f"{name} classifier")
            batched = batched and description.batched
            shutil.copytree(directory, artifact / name)
        timed = [texts[row] for row in np.random.default_rng(0).permutation(len(texts))[:TIMED]]  # it may be sorted by label
        with locks.exclusive():
            seconds = {name: _mean_latency(context.needed[name], timed) for name in (CHEAP, BETTER)}
        outside = out_of_scope(truth, context.splits.oos)
        threshold = self._fit(seen, outside, np.ones(len(truth), dtype=bool))
        fitted = [self._fit(held_out, outside, rows) for rows in crossfit.without_each_fold(truth)]
        (artifact / FILE).write_text(
            json.dumps({"threshold": threshold, "fold_thresholds": fitted}) + "\n", encoding="utf-8"
        )
        labels, length = list(context.splits.labels), context.backbone.max_length
        rules = [Rule().described()] * crossfit.FOLDS  # the log-probabilities of `of_fold` need no other
        Description(
            "cascade", labels, length, context.splits.oos, batched=batched, fold_rules=rules, task=context.splits.task.name
        ).write(artifact)
        return self._notes(seen, threshold, seconds, sample_weights(outside, oos_share_of(self.better)))

    def _fit(self, answers: dict[str, "Answered"], outside: np.ndarray, rows: np.ndarray) -> float:
        """The threshold that suits some of the texts; outside, rows: bool (n,)."""
        weights = sample_weights(outside[rows], oos_share_of(self.better))
        cheap, better = answers[CHEAP], answers[BETTER]
        return fit_threshold(cheap.sure[rows], cheap.right[rows], better.right[rows], self.loss, weights)

    def _notes(
        self, answers: dict[str, "Answered"], threshold: float, seconds: dict[str, float], counts: np.ndarray
    ) -> dict[str, Any]:
        """Metrics and notes of the stage; counts: float (n,), weights of the texts."""
        cheap, better = answers[CHEAP], answers[BETTER]
        share = float(counts @ (cheap.sure >= threshold))
        log.info(
            "the cheap classifier answers %.0f %% of the texts, those with a confidence of at least %.3f",
            100 * share,
            threshold,
        )
        plotted = {
            "names": [self.cheap.name, self.better.name],
            "curve": threshold_curve(cheap.sure, cheap.right, better.right, seconds, counts),
            "alone": {"latency_ms": 1e3 * seconds[BETTER], "validation_accuracy": float(counts @ better.right)},
            "answered_cheaply": share,
        }
        return {"metrics": {"cascade/threshold": threshold, "cascade/answered_cheaply": share}, "cascade": plotted}


class Answered(NamedTuple):
    """What a classifier answers to the validation split."""

    right: np.ndarray  # bool (n,)
    sure: np.ndarray  # float64 (n,), see `pipeline.runtimes.cascade.confidence`


def _answers(artifact: Path, texts: Sequence[Input], truth: np.ndarray, activity: str) -> tuple[Answered, Answered]:
    """The answers with its decision rule, and the cross-fitted ones; the same where nothing was fitted on these texts."""
    description = Description.read(artifact)
    logits = logits_of(artifact, texts, activity)
    seen = Answered(description.rule.answer(logits).labels == truth, confidence(logits, description.rule))
    if description.fold_rules is None:
        return seen, seen
    logits, sure = crossfitted_logits_of(artifact, texts, truth, activity), np.empty(len(truth))
    for fold, rows in crossfit.parts(description, truth).items():
        sure[rows] = confidence(logits[rows], description.rule_of(fold))
    return seen, Answered(crossfit.answer(description, logits, truth).labels == truth, sure)


def fit_threshold(sure: np.ndarray, cheap: np.ndarray, better: np.ndarray, loss: float, counts: np.ndarray) -> float:
    """The lowest confidence at which the cheap one's answers are used, such that accuracy falls by at most `loss`.

    sure: float (n,), its confidence; cheap, better: bool (n,), whether each is right; counts: float (n,), weights of the
    texts, their sum is 1. The threshold lies halfway between two values, and above 1 if no answer may be used.
    """
    order = np.argsort(-sure, kind="stable")
    lost = np.cumsum(((better.astype(int) - cheap) * counts)[order])  # if the first k + 1 answers are used
    scores = sure[order]
    different = np.append(scores[:-1] > scores[1:], True)  # not between equal values
    possible = np.flatnonzero(different & (lost <= loss + 1e-12) & (scores > 0))
    if not len(possible):
        return 2.0
    last = possible[-1]
    below = scores[last + 1] if last + 1 < len(scores) else 0.0
    return float((scores[last] + below) / 2)


def threshold_curve(
    sure: np.ndarray, cheap: np.ndarray, better: np.ndarray, seconds: dict[str, float], counts: np.ndarray
) -> list[dict[str, float]]:
    """For a range of thresholds: the share that the cheap one answers, accuracy on validation, mean latency in ms.

    All three are weighted by `counts`. The latency is the cheap one's for every text, plus the better one's for those that
    the cheap one does not answer; both were timed once, alone.
    """
    points = []
    for threshold in np.unique(np.quantile(np.append(sure, 2.0), np.linspace(0, 1, POINTS))):
        taken = sure >= threshold
        points.append({
            "threshold": float(threshold),
            "answered_cheaply": float(counts @ taken),
            "validation_accuracy": float(counts @ np.where(taken, cheap, better)),
            "latency_ms": 1e3 * (seconds[CHEAP] + float(counts @ ~taken) * seconds[BETTER]),
        })  # fmt: skip
    return points


def _mean_latency(artifact: Path, texts: Sequence[Input]) -> float:
    """Mean seconds a text, with one thread, after 10 calls of warm-up."""
    classifier = load(artifact, 1)
    spent = []
    for text in [*texts[:10], *texts]:
        start = time.perf_counter()
        classifier.logits([text])
        spent.append(time.perf_counter() - start)
    return float(np.mean(spent[10:]))
