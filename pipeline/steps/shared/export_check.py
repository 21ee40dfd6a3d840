"""Whether an exported network computes what torch computes: logits within a share of their standard deviation, and answers.

The size of logits is a matter of the network: those of one may be a thousand times those of another. So a difference is
judged by how far the logits of a text lie apart.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import OptimizationError
from pipeline.models.token_types import TYPES
from pipeline.runtimes.base import INPUTS, Classifier, Description, load
from pipeline.steps.base import Context
from pipeline.tasks import SINGLE_LABEL, Task, inputs
from pipeline.tasks.inputs import Given, Input, inputs_of

TOLERANCE = 1e-3  # of the logits' standard deviation: the largest difference of a logit
TIE = 1e-4  # of it: labels whose logits are nearer than this may change places
ROUNDING = 8 * float(np.finfo(np.float32).eps)  # of the largest logit: no float32 computation is more exact
BATCHES = (1, 2, 7)  # texts
MAX_TOKENS = 1024  # in a batch; a batch of one text may have more
TEXTS = 128  # of the validation split


class Compared(NamedTuple):
    """Logits of one batch, float32 (batch, labels), and words for a message that say which batch it is."""

    where: str
    expected: np.ndarray
    found: np.ndarray


def compare_with_torch(model: Any, exported: Classifier, context: Context, advice: str) -> dict[str, float]:
    """The largest absolute difference of a logit between a torch network, the artifact `context.source`, and its export.

    On random tokens and on validation texts, of which both read one window. Raises OptimizationError, with `advice`, as
    `require_equal` does.
    """
    import torch

    assert context.source is not None
    description = Description.read(context.source)
    source = load(context.source, torch.get_num_threads(), windows=False)
    texts = drawn_texts(inputs_of(context.splits.validation))
    typed = description.token_types == TYPES
    on_ids = compare_on_ids(model, exported, description.max_length, description.pad_id, typed)
    on_texts = compare_on_texts(source, exported, texts)
    worst = max(require_equal(each, advice, description.kind) for each in (on_ids, on_texts))
    return {"export/max_difference": worst}


def drawn_texts(texts: Sequence[Given]) -> list[Given]:
    """TEXTS of them, drawn, because they may be sorted by label; the same for every seed of a run."""
    return [texts[row] for row in np.random.default_rng(0).permutation(len(texts))[:TEXTS]]


def compare_on_ids(model: Any, exported: Any, max_length: int, pad_id: int, typed: bool = False) -> Iterator[Compared]:
    """Logits of a torch network and its export, over many lengths and batch sizes.

    Tokens are random, with a fixed seed; in every batch all texts but the first are padded. With `typed` the network also
    takes token types: 1 in the second half.
    """
    import torch

    for ids, mask in _batches(model.config.vocab_size, max_length, pad_id):
        types = np.broadcast_to(np.arange(ids.shape[1]) >= ids.shape[1] / 2, ids.shape).astype(np.int64)
        given = (ids, mask, types) if typed else (ids, mask)
        with torch.inference_mode():
            named = zip(INPUTS, map(torch.from_numpy, given), strict=False)
            expected = model(**dict(named)).logits.numpy()
        yield Compared(f"a batch of {ids.shape[0]}, {ids.shape[1]} tokens long", expected, exported.forward(*given))


def _batches(vocabulary: int, max_length: int, pad_id: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Token ids and masks, int64 (batch, length); lengths are powers of 2, one more than those, and the longest."""
    random = np.random.default_rng(0)
    lengths = {n + more for n in (2**i for i in range(max_length.bit_length())) for more in (0, 1)} | {max_length}
    for length in sorted(n for n in lengths if n <= max_length):
        for batch in (n for n in BATCHES if n == 1 or n * length <= MAX_TOKENS):
            ids = random.integers(0, vocabulary, (batch, length))
            used = random.integers(1, length + 1, (batch, 1))
            used[0] = length
            mask = (np.arange(length) < used).astype(np.int64)
            yield np.where(mask == 1, ids, pad_id), mask


def compare_on_texts(source: Classifier, exported: Classifier, texts: Sequence[Input]) -> Iterator[Compared]:
    """Logits of two classifiers on real texts, including tokenization."""
    for start in range(0, len(texts), max(BATCHES)):
        batch = texts[start : start + max(BATCHES)]
        yield Compared(f"texts like {inputs.shown(batch[0])[:40]!r}", source.logits(batch), exported.logits(batch))


def require_equal(batches: Iterable[Compared], advice: str, task: Task = SINGLE_LABEL) -> float:
    """The largest absolute difference of a logit.

    Raises OptimizationError when it is more than `TOLERANCE` of the standard deviation of the expected logits around the
    mean of their text, or NaN, or when an answer differs that is no tie.
    """
    compared = list(batches)
    deviation = float(np.sqrt(np.mean([np.var(each.expected, axis=1).mean() for each in compared])))
    worst = 0.0
    for where, expected, found in compared:
        scale = np.maximum(deviation, expected.std(axis=1)) + ROUNDING / TOLERANCE * np.abs(expected).max(axis=1)
        differences, margins = np.abs(expected - found).max(axis=1), task.margins(expected, found)
        if np.all(differences <= TOLERANCE * scale) and np.all(margins <= TIE * scale):  # so NaN fails too
            worst = max(worst, float(differences.max()))
            continue
        changed = int(np.sum(margins > 0))
        raise OptimizationError(
            f"the exported network differs from torch: by {differences.max():.2g} in a logit for {where}; logits have a "
            f"standard deviation of {scale.min():.2g}, and {changed} of {len(margins)} answers differ; {advice}"
        )
    return worst
