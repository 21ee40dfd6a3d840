"""Sentences about what in a data set is worth a look: what was told when it was read, and what the overview shows."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from pipeline.data.near_duplicates import NGRAM, SIMILARITY, Found
from pipeline.evaluation.overview.lengths import Lengths
from pipeline.evaluation.overview.repeats import Repeats
from pipeline.evaluation.overview.words import Word
from pipeline.models import coverage

IMBALANCE = 10  # times as many texts of the largest class as of the smallest
FEW = 10  # training texts of a class
MAX_NAMED = 5
EMOJI = 0.05  # share of the texts
SCRIPT = 0.05  # share of the letters


def findings_of(
    notes: Sequence[str], rows: Mapping[str, int], sizes: Mapping[str, Mapping[str, int]], lengths: Lengths,
    repeats: Repeats, words: Mapping[str, Sequence[Word]],
) -> list[str]:  # fmt: skip
    """notes: what was told when the data were read; rows: by split; sizes: label -> split -> texts."""
    return [
        *notes,
        *_classes({label: texts["train"] for label, texts in sizes.items()}, rows["train"]),
        *_repeats(repeats, rows),
        *_language(lengths),
        *_giveaways(words),
    ]


def _classes(sizes: Mapping[str, int], rows: int) -> Iterator[str]:
    largest, smallest = max(sizes, key=lambda label: sizes[label]), min(sizes, key=lambda label: sizes[label])
    most, least = sizes[largest], sizes[smallest]
    if most >= IMBALANCE * least:
        yield (
            f"the classes differ in size: {largest!r} has {most:,} of {rows:,} training texts, {smallest!r} has {least:,}; "
            "accuracy hides how the small ones fare, macro F1 shows it"
        )
    few = [label for label, size in sizes.items() if size < FEW]
    if few:
        named = ", ".join(f"{label!r} ({sizes[label]})" for label in few[:MAX_NAMED])
        more = ", ..." if len(few) > MAX_NAMED else ""
        yield f"{len(few)} of {len(sizes)} labels have fewer than {FEW} training texts: {named}{more}"


def _repeats(repeats: Repeats, rows: Mapping[str, int]) -> Iterator[str]:
    """Train and validation together: validation may have been drawn from train."""
    own = {name: count for name, count in repeats.within.items() if name != "test"}
    total = sum(own.values()) + repeats.shared["validation in train"]
    if total:
        yield (
            f"{total:,} of {rows['train'] + rows['validation']:,} texts of train and validation repeat an earlier one "
            f"({own['train']:,} within train, {own['validation']:,} within validation, "
            f"{repeats.shared['validation in train']:,} of validation in train)"
        )
    if repeats.within["test"]:
        yield f"{repeats.within['test']:,} of {rows['test']:,} test texts repeat an earlier test text"
    for name, found in repeats.near.items():
        if found.near:
            yield _near(name, found)


def _near(name: str, found: Found) -> str:
    split, _, other = name.partition(" in ")
    where = f"a text of {other}" if other else "an earlier one"
    count = f"{found.near:,} of {found.looked_at:,} texts of {split} nearly repeat {where}"
    alike = f"at least {SIMILARITY:.0%} of all their runs of {NGRAM} characters are in both"
    text, near = found.examples[0]
    sample = f"; looked at with {found.reference_looked_at:,} texts of train, so there may be more" if found.sampled else ""
    return f"{count} ({alike}{sample}), such as '{text}' and '{near}'"


def _language(lengths: Lengths) -> Iterator[str]:
    yield from coverage.lines(lengths.metrics(), all_cuts=True)
    scripts = [f"{name.capitalize()} {share:.0%}" for name, share in lengths.scripts.items() if share >= SCRIPT]
    if len(scripts) > 1:
        yield f"the training texts are in several scripts: {', '.join(scripts)} of their letters"
    if lengths.emoji_share >= EMOJI:
        yield f"{lengths.emoji_share:.1%} of the training texts have emoji or other pictures"
    if lengths.unknown:
        shown = " ".join(map(_isolated, lengths.unknown))
        yield f"unknown to the vocabulary, the most frequent first: {shown}"


def _isolated(sign: str) -> str:
    """In marks of direction where it is written from right to left, or those beside it would change places."""
    right_to_left = any(unicodedata.bidirectional(each) in {"R", "AL", "AN"} for each in sign)
    return f"\u2068{sign}\u2069" if right_to_left else sign


def _giveaways(words: Mapping[str, Sequence[Word]]) -> Iterator[str]:
    found = sorted((word for each in words.values() for word in each if word.gives_away), key=lambda word: -word.recall)
    for word in found[:MAX_NAMED]:
        yield (
            f"the word {word.word!r} gives {word.label!r} away: {word.precision:.0%} of the {word.texts:,} texts with it "
            f"have that label, and {word.recall:.0%} of the label's texts have it"
        )
    if len(found) > MAX_NAMED:
        more = len(found) - MAX_NAMED
        yield f"{more} more word{'s give' if more > 1 else ' gives'} a label away like that; see the words of each label"
