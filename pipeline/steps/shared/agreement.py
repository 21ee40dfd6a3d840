"""Do two classifiers predict the same? What the steps that quantize check their result with."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.steps.shared.inference import logits_of
from pipeline.tasks.single_label import answer

log = logging.getLogger(__name__)
MIN_AGREEMENT = 0.98  # of the predictions should stay as they are


def check_agreement(source: Path, target: Path, texts: Sequence[str], advice: str) -> dict[str, float]:
    """The metric of a step that quantizes; a warning with advice where too few predictions stay as they were."""
    same = agreement(source, target, texts)
    if same < MIN_AGREEMENT:
        log.warning("warning: only %.1f %% of the predictions stay the same in int8; %s", 100 * same, advice)
    return {"quantize/agreement": same}


def agreement(source: Path, target: Path, texts: Sequence[str]) -> float:
    """Share of the texts for which the classifiers in two artifact directories predict the same label: 0 to 1."""
    before, after = (answer(logits_of(artifact, texts, "checking predictions")) for artifact in (source, target))
    return float(np.mean(before == after))
