"""How often two classifiers predict the same: the check of every step that quantizes."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.steps.shared.inference import logits_of
from pipeline.tasks.single_label import answer

log = logging.getLogger(__name__)
MIN_AGREEMENT = 0.98  # share of predictions; below it there is a warning


def check_agreement(source: Path, target: Path, texts: Sequence[str], advice: str) -> dict[str, float]:
    """The agreement as a metric of the step; warns, with `advice`, when too few predictions stay the same."""
    same = agreement(source, target, texts)
    if same < MIN_AGREEMENT:
        log.warning("warning: only %.1f %% of the predictions stay the same after quantization; %s", 100 * same, advice)
    return {"quantize/agreement": same}


def agreement(source: Path, target: Path, texts: Sequence[str]) -> float:
    """Share of the texts for which the classifiers in two artifact directories predict the same label: 0 to 1."""
    before, after = (answer(logits_of(artifact, texts, "checking predictions")) for artifact in (source, target))
    return float(np.mean(before == after))
