"""`cascade`: a cheap classifier answers when it is confident, a better one otherwise; both are optimizations of their own.

The confidence threshold is fitted on the validation split: the lowest one that costs no accuracy there, for the share of
out-of-scope texts that the better one's decision rule assumes. Each classifier keeps its own rule.
The classifier itself is in `pipeline/runtimes/cascade.py`.
"""

import json
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.config import Backbone, Optim, Step, kind, setting
from pipeline.errors import ConfigError, OptimizationError
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.cascade import BETTER, CHEAP, FILE, confidence
from pipeline.steps.base import Context
from pipeline.steps.calibrate import oos_share_of, sample_weights
from pipeline.steps.shared.inference import logits_of
from pipeline.system import locks
from pipeline.tasks.single_label import LABEL, TEXT, out_of_scope

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

    code_version: ClassVar[int] = 5
    gives: ClassVar[str] = "cascade"

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
        texts, truth = list(validation[TEXT]), np.array(validation[LABEL])
        right, sure, batched = {}, np.zeros(len(texts)), True
        for name in (CHEAP, BETTER):
            directory = context.needed[name]
            description = Description.read(directory)
            if description.labels != list(context.splits.labels):
                raise OptimizationError(f"cascade: the {name} classifier has other labels")
            logits = logits_of(directory, texts, f"{name} classifier")
            right[name] = description.rule.answer(logits).labels == truth
            if name == CHEAP:
                sure = confidence(logits, description.rule)
            batched = batched and description.batched
            shutil.copytree(directory, artifact / name)
        with locks.exclusive():
            seconds = {name: _mean_latency(context.needed[name], texts[:TIMED]) for name in (CHEAP, BETTER)}
        counts = sample_weights(out_of_scope(truth, context.splits.oos), oos_share_of(self.better))
        threshold = fit_threshold(sure, right[CHEAP], right[BETTER], self.loss, counts)
        curve = threshold_curve(sure, right[CHEAP], right[BETTER], seconds, counts)
        alone = {"latency_ms": 1e3 * seconds[BETTER], "validation_accuracy": float(counts @ right[BETTER])}
        (artifact / FILE).write_text(json.dumps({"threshold": threshold}) + "\n", encoding="utf-8")
        labels, length = list(context.splits.labels), context.backbone.max_length
        Description("cascade", labels, length, context.splits.oos, batched=batched).write(artifact)
        share = float(counts @ (sure >= threshold))
        log.info(
            "the cheap classifier answers %.0f %% of the texts, those with a confidence of at least %.3f",
            100 * share,
            threshold,
        )
        metrics = {"cascade/threshold": threshold, "cascade/answered_cheaply": share}
        names = [self.cheap.name, self.better.name]
        return {"metrics": metrics, "cascade": {"names": names, "curve": curve, "alone": alone, "answered_cheaply": share}}


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


def _mean_latency(artifact: Path, texts: Sequence[str]) -> float:
    """Mean seconds a text, with one thread, after 10 calls of warm-up."""
    classifier = load(artifact, 1)
    spent = []
    for text in [*texts[:10], *texts]:
        start = time.perf_counter()
        classifier.logits([text])
        spent.append(time.perf_counter() - start)
    return float(np.mean(spent[10:]))
