"""Which texts a pair of processes answers: each pair draws its own from the split, systematically by length.

What a call costs depends on the length of its text, or of both its texts. If all pairs of processes answered the same texts,
the interval over pairs would not cover which texts those were. So each pair draws anew, and both of its processes answer the
same texts. Within a draw, every length has its share: of the texts in order of length, every k-th is taken, from a random
start (systematic sampling; Cochran, *Sampling Techniques*, 1977, chapter 8). The means of the pairs then differ little, so
the interval stays narrow.

NumPy only.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.config import Measure
from pipeline.tasks import inputs
from pipeline.tasks.inputs import Input

NOT_OF_THE_SPLIT = -1  # index of the book's own query


class Queries(NamedTuple):
    """The texts that a pair answers, in order."""

    texts: list[Input]
    indices: tuple[int, ...]  # of each text in the split


def queries_of(texts: Sequence[Input], settings: Measure, pair: int) -> Queries:
    """The queries of the pair with this number: `settings.queries` texts of the split, or the book's one query, repeated.

    The same seed and pair give the same queries. `pair` also counts the processes of a classifier that is measured alone.
    """
    if settings.protocol == "book":
        index = 0 if settings.query is None else NOT_OF_THE_SPLIT
        return Queries([settings.query or texts[0]] * settings.queries, (index,) * settings.queries)
    lengths = np.array([inputs.length(text) for text in texts])
    drawn = draw_by_length(lengths, settings.queries, np.random.default_rng([settings.seed, pair]))
    return Queries([texts[i] for i in drawn], tuple(int(i) for i in drawn))


def draw_by_length(lengths: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` of the texts of these lengths: their indices in random order, int64 (count,); lengths int64 (texts,).

    Every text is as likely as any other, and is drawn at most once more often than any other: with fewer texts than
    `count`, each is drawn at least once. Texts of the same length come in random order.
    """
    by_length = np.lexsort((rng.random(len(lengths)), lengths))
    places = ((rng.random() + np.arange(count)) * len(lengths) / count).astype(np.int64)
    return rng.permutation(by_length[np.minimum(places, len(lengths) - 1)])
