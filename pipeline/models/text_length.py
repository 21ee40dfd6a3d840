"""`backbone.max_length=auto`: as many tokens as nearly all training texts need, if the network has positions for them."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.config import AUTO, MAX_LENGTH, Backbone
from pipeline.data.splits import Splits
from pipeline.errors import BackboneError
from pipeline.models import coverage, outputs
from pipeline.models.outline import Outline, outline_of_weights
from pipeline.tasks import Task
from pipeline.tasks.inputs import Inputs

PERCENTILE = 99.5  # of the training texts, in tokens
STEP = 8  # the number is a multiple of this
TEXTS, CHARACTERS, SEED = 20_000, 5_000_000, 0  # of the sample; a fixed seed, so that all seeds of a sweep have one length
MAX_WINDOWS = 64  # of a text; what is behind them is not read, or a text of 5 MB would take minutes
log = logging.getLogger(__name__)


def resolve(backbone: Backbone, splits: Splits, seed: int, outline: Outline | None = None) -> tuple[Backbone, Splits]:
    """The backbone with a number for `auto`; the splits with all labels of the backbone, and notes of what is settled so.

    outline: of the backbone's teacher where it is known already. Raises BackboneError when its weights can't be used,
    and where windows of pairs are wanted.
    """
    require_windows_for(backbone, splits.task)
    splits = outputs.with_those_of_the_checkpoint(backbone, splits)
    if backbone.max_length == AUTO:
        backbone, splits = _counted(backbone, splits, seed, outline)
    require_overlap(backbone)
    return backbone, splits if backbone.window is None else _noted(splits, _of_windows(backbone))


def read_length(backbone: Backbone, tokenizer: Any) -> int:
    """How many tokens of a text an answer reads, special ones included; training reads `max_length` of them.

    tokenizer: of the library tokenizers.
    """
    if backbone.window is None:
        return backbone.max_length
    special: int = tokenizer.num_special_tokens_to_add(False)
    return backbone.max_length + (MAX_WINDOWS - 1) * (backbone.max_length - special - backbone.window_overlap)


def _counted(backbone: Backbone, splits: Splits, seed: int, outline: Outline | None) -> tuple[Backbone, Splits]:
    found = outline or outline_of_weights(backbone, "teacher", list(splits.labels), seed, splits.label_names)
    texts = coverage.sample(Inputs(splits.looked_at), SEED, TEXTS, CHARACTERS)
    counts = coverage.count(texts, found.tokenizer.backend_tokenizer)
    needed = int(np.ceil(np.percentile(counts.tokens, PERCENTILE, method="inverted_cdf")))
    room = _room(found.network)
    length = min(-(-max(needed, 1) // STEP) * STEP, room)
    limit = f", of which this network has positions for {room}" if needed > room else ""
    note = (
        f"backbone.max_length=auto is {length}: {PERCENTILE} % of the training texts have at most {needed} tokens{limit} "
        f"(counted on {len(texts)} of {len(splits.looked_at)})"
    )
    return replace(backbone, max_length=length), _noted(splits, note)


def _of_windows(backbone: Backbone) -> str:
    return (
        f"texts longer than backbone.max_length={backbone.max_length} tokens are answered in windows, at most "
        f"{MAX_WINDOWS}, joined by their {backbone.window}; training reads their beginning"
    )


def _noted(splits: Splits, note: str) -> Splits:
    log.info("%s", note)
    return replace(splits, notes=(*splits.notes, note))


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
