"""`backbone.max_length=auto`: as many tokens as nearly all training texts need, if the network has positions for them."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.config import AUTO, MAX_LENGTH, Backbone
from pipeline.data.splits import Splits
from pipeline.errors import BackboneError
from pipeline.models import coverage
from pipeline.models.outline import Outline, outline_of_weights
from pipeline.tasks import Task
from pipeline.tasks.inputs import Inputs

PERCENTILE = 99.5  # of the training texts, in tokens
STEP = 8  # the number is a multiple of this
TEXTS, CHARACTERS, SEED = 20_000, 5_000_000, 0  # of the sample; a fixed seed, so that all seeds of a sweep have one length
log = logging.getLogger(__name__)


def resolve(backbone: Backbone, splits: Splits, seed: int, outline: Outline | None = None) -> tuple[Backbone, Splits]:
    """Both unchanged where a number is set; for `auto` the backbone with the number, and splits with a note of it.

    outline: of the backbone's teacher where it is known already. Raises BackboneError when its weights can't be used,
    and where windows of pairs are wanted.
    """
    require_windows_for(backbone, splits.task)
    if backbone.max_length != AUTO:
        require_overlap(backbone)
        return backbone, splits
    found = outline or outline_of_weights(backbone, "teacher", list(splits.labels), seed)
    texts = coverage.sample(Inputs(splits.train), SEED, TEXTS, CHARACTERS)
    counts = coverage.count(texts, found.tokenizer.backend_tokenizer)
    needed = int(np.ceil(np.percentile(counts.tokens, PERCENTILE)))
    room = _room(found.network)
    length = min(-(-max(needed, 1) // STEP) * STEP, room)
    limit = f", of which this network has positions for {room}" if needed > room else ""
    note = (
        f"backbone.max_length=auto is {length}: {PERCENTILE} % of the training texts have at most {needed} tokens{limit} "
        f"(counted on {len(texts)} of {len(splits.train)})"
    )
    log.info("%s", note)
    backbone = replace(backbone, max_length=length)
    require_overlap(backbone)
    return backbone, replace(splits, notes=(*splits.notes, note))


def require_windows_for(backbone: Backbone, task: Task) -> None:
    """Raises BackboneError where windows of pairs are wanted."""
    if backbone.window is not None and task.pairs:
        raise BackboneError(
            f"backbone.window={backbone.window}: windows are for single texts, not for pairs; set it to null"
        )


def require_overlap(backbone: Backbone) -> None:
    """Raises BackboneError where two windows would share more than half of their tokens."""
    if backbone.window is not None and 2 * backbone.window_overlap > backbone.max_length:
        raise BackboneError(
            f"backbone.window_overlap={backbone.window_overlap}: must be at most half of a window, "
            f"backbone.max_length={backbone.max_length}"
        )


def _room(network: Any) -> int:
    from pipeline.models.positions import max_tokens

    return min(MAX_LENGTH, max_tokens(network) or MAX_LENGTH)
