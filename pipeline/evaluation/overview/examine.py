"""Looks at a data set as the tokenizer of a backbone sees it -> `Overview`. Nothing is trained but a look with tf-idf."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.splits import Splits
from pipeline.evaluation.overview import columns
from pipeline.evaluation.overview.findings import findings_of
from pipeline.evaluation.overview.lengths import MAX_CHARACTERS, MAX_TEXTS, Lengths, lengths_of
from pipeline.evaluation.overview.reach import Reached, reach
from pipeline.evaluation.overview.repeats import Repeats, repeats_of
from pipeline.evaluation.overview.words import Word
from pipeline.models import coverage
from pipeline.tasks.inputs import Inputs

if TYPE_CHECKING:
    from datasets import Dataset

EXAMPLES, EXAMPLE_CHARACTERS = 3, 200
STAGES = 5  # calls of `progress`


@dataclass(frozen=True)
class LabelSize:
    """How many texts of each split have a label, and some of those in train."""

    label: str
    texts: dict[str, int]  # by split
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """What is in a data set."""

    name: str
    backbone: str
    rows: dict[str, int]  # by split
    read: dict[str, dict[str, int]]  # what was done -> split -> rows, see `data.row_counts`
    labels: tuple[LabelSize, ...]  # those with most training texts first
    labels_a_text: dict[str, int]  # number of labels -> training texts with so many
    lengths: Lengths
    repeats: Repeats
    reached: Reached
    words: Mapping[str, list[Word]]  # by label
    findings: tuple[str, ...]  # sentences about what is worth a look

    def plain(self) -> dict[str, Any]:
        """Nested dicts, for JSON."""
        return asdict(self)


def examine(
    splits: Splits, tokenizer: Any, max_length: int, names: tuple[str, str], seed: int,
    progress: Callable[[str], object] = lambda what: None,
) -> Overview:  # fmt: skip
    """Look at the splits with a tokenizer of the library tokenizers.

    names: of data and backbone; seed: of the samples. `progress` is called with what is done next.
    """
    progress("labels")
    sizes = _sizes(splits, seed)
    progress("tokens")
    given = coverage.sample(Inputs(splits.train), seed, MAX_TEXTS, MAX_CHARACTERS)
    lengths = lengths_of(given, tokenizer, max_length)
    progress("repeated texts")
    repeats = repeats_of(splits)
    progress("words and tf-idf")
    reached, words = reach(splits, seed)
    rows = {name: len(getattr(splits, name)) for name in columns.NAMES}
    progress("findings")
    counted = {size.label: size.texts for size in sizes}
    found = findings_of(splits.notes, rows, counted, lengths, repeats, words)
    return Overview(*names, rows, splits.rows, sizes, _labels_a_text(splits), lengths, repeats, reached, words, tuple(found))


def _sizes(splits: Splits, seed: int) -> tuple[LabelSize, ...]:
    parts: dict[str, Dataset] = {name: getattr(splits, name) for name in columns.NAMES}
    counts = {
        name: columns.membership(part, len(splits.labels)).sum(axis=0).astype(int).tolist() for name, part in parts.items()
    }
    examples = _examples(splits, seed)
    found = [
        LabelSize(label, {name: counts[name][number] for name in counts}, examples[number])
        for number, label in enumerate(splits.labels)
    ]
    return tuple(sorted(found, key=lambda each: -each.texts["train"]))


def _labels_a_text(splits: Splits) -> dict[str, int]:
    texts = np.bincount(np.diff(columns.membership(splits.train, len(splits.labels)).indptr)).tolist()
    return {str(labels): count for labels, count in enumerate(texts) if count}


def _examples(splits: Splits, seed: int) -> list[tuple[str, ...]]:
    """A few training texts of each label."""
    rows = np.random.default_rng(seed).permutation(len(splits.train))
    members = columns.membership(splits.train, len(splits.labels), rows).tocsc()
    starts = members.indptr
    chosen = [rows[members.indices[start : start + EXAMPLES][: end - start]] for start, end in itertools.pairwise(starts)]
    texts = columns.some(splits.train, np.concatenate(chosen), EXAMPLE_CHARACTERS)
    ends = np.cumsum([len(each) for each in chosen]).tolist()
    return [tuple(texts[end - len(each) : end]) for each, end in zip(chosen, ends, strict=True)]
