"""`cascade`: a cheap classifier answers when it is sure, a better one otherwise; both are optimizations of their own.

How sure it must be is fitted on the validation split: as little as costs nothing there, with as many texts out of scope as
the better one's decision rule is fitted for. Each keeps its own rule.
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

    code_version: ClassVar[int] = 4
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
        """Fit the threshold, put both together; metrics: threshold, share that the cheap one answers.

        Notes, under "cascade": the curve, and what the better one is worth "alone".
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
            seconds = {name: _median_latency(context.needed[name], texts[:TIMED]) for name in (CHEAP, BETTER)}
        counts = sample_weights(out_of_scope(truth, context.splits.oos), oos_share_of(self.better))
        threshold = fit_threshold(sure, right[CHEAP], right[BETTER], self.loss, counts)
        curve = threshold_curve(sure, right[CHEAP], right[BETTER], seconds, counts)
        alone = {"latency_ms": 1e3 * seconds[BETTER], "validation_accuracy": float(counts @ right[BETTER])}
        (artifact / FILE).write_text(json.dumps({"threshold": threshold}) + "\n", encoding="utf-8")
        labels, length = list(context.splits.labels), context.backbone.max_length
        Description("cascade", labels, length, context.splits.oos, batched=batched).write(artifact)
        share = float(counts @ (sure >= threshold))
        log.info("the cheap classifier answers %.0f %% of such texts, from a score of %.3f on", 100 * share, threshold)
        metrics = {"cascade/threshold": threshold, "cascade/answered_cheaply": share}
        names = [self.cheap.name, self.better.name]
        return {"metrics": metrics, "cascade": {"names": names, "curve": curve, "alone": alone, "answered_cheaply": share}}


def fit_threshold(sure: np.ndarray, cheap: np.ndarray, better: np.ndarray, loss: float, counts: np.ndarray) -> float:
    """The lowest score from which on the cheap one's answers are taken, such that at most `loss` of all texts are lost.

    sure: float (n,), its scores; cheap, better: bool (n,), whether each is right; counts: float (n,), what a text counts, 1
    in sum. It lies halfway between two texts' scores, and above 1 where none of its answers may be taken.
    """
    order = np.argsort(-sure, kind="stable")
    lost = np.cumsum(((better.astype(int) - cheap) * counts)[order])  # when the first k + 1 are taken
    scores = sure[order]
    different = np.append(scores[:-1] > scores[1:], True)  # equal scores can't be told apart
    possible = np.flatnonzero(different & (lost <= loss + 1e-12) & (scores > 0))
    if not len(possible):
        return 2.0
    last = possible[-1]
    below = scores[last + 1] if last + 1 < len(scores) else 0.0
    return float((scores[last] + below) / 2)


def threshold_curve(
    sure: np.ndarray, cheap: np.ndarray, better: np.ndarray, seconds: dict[str, float], counts: np.ndarray
) -> list[dict[str, float]]:
    """For thresholds from none to all: share that the cheap one answers, accuracy on validation, mean latency in ms.

    All three are of texts that count as `counts` says. The latency is that of the cheap one, and for the rest of the better
    one besides, as both were timed once, alone.
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


def _median_latency(artifact: Path, texts: Sequence[str]) -> float:
    """Median time of one text, one thread."""
    classifier = load(artifact, 1)
    spent = []
    for text in [*texts[:10], *texts]:
        start = time.perf_counter()
        classifier.logits([text])
        spent.append(time.perf_counter() - start)
    return float(np.median(spent[10:]))
