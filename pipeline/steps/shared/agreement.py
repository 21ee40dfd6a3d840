"""How often two classifiers predict the same: the check of every step that quantizes."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.runtimes.base import Description, load
from pipeline.steps.shared.inference import logits_of
from pipeline.system.progress import bar
from pipeline.tasks.base import same
from pipeline.tasks.inputs import Input

log = logging.getLogger(__name__)
MIN_AGREEMENT = 0.98  # share of predictions; below it there is a warning


def check_agreement(source: Path, target: Path, texts: Sequence[Input], advice: str) -> dict[str, float]:
    """The agreement as a metric of the step; warns, with `advice`, when too few predictions stay the same."""
    kept = agreement(source, target, texts)
    if kept < MIN_AGREEMENT:
        log.warning("warning: only %.1f %% of the predictions stay the same after this step; %s", 100 * kept, advice)
    return {"quantize/agreement": kept}


def batch_agreement(artifact: Path, texts: Sequence[Input]) -> dict[str, float]:
    """The share of texts that get the same label in batches and alone, as a metric of the step; it is told too."""
    import torch

    together, classifier = logits_of(artifact, texts, "checking batches"), load(artifact, torch.get_num_threads())
    classifier.batch_size = 1
    with bar("checking batches", "text", len(texts)) as progress:
        alone = classifier.logits_by_length(texts, 1, progress.update)
    answer = Description.read(artifact).kind.answer
    equal = float(np.mean(same(answer(together), answer(alone))))
    log.info("in batches, whose texts share the ranges of activations, %.1f %% get the same label as alone", 100 * equal)
    return {"quantize/batch_agreement": equal}


def agreement(source: Path, target: Path, texts: Sequence[Input]) -> float:
    """Share of the texts for which the classifiers in two artifact directories predict the same, in all labels: 0 to 1."""
    answer = Description.read(source).kind.answer
    before, after = (answer(logits_of(artifact, texts, "checking predictions")) for artifact in (source, target))
    return float(np.mean(same(before, after)))
