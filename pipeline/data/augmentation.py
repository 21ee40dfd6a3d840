"""More texts for distillation, made from those of the train split; the teacher labels them, so they need no labels.

Changes are random, with a seed. Words are separated by spaces; a dropped word becomes the tokenizer's unknown token, as any
word that is missing in its vocabulary; where there is no such token, it is left out.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config import Settings, setting
from pipeline.errors import DataError
from pipeline.tasks.inputs import Input, texts_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Augment(Settings):
    """What is added to the texts of the train split."""

    copies: int = setting(0, min=0, max=100)  # changed copies of each text
    drop: float = setting(0.1, min=0, max=1)  # share of their words that become the unknown token
    swap: float = setting(0.1, min=0, max=1)  # share of words that become a word of another text
    mix: float = setting(0.25, min=0, max=1)  # share of the copies whose second half is another text's
    unlabelled: str | None = None  # a file with one text a line, without labels; of pairs, both texts with a tab between


def augment_inputs(given: Sequence[Input], unknown: str, settings: Augment, seed: int) -> list[Input]:
    """As `augment_texts`, also for pairs of texts: a copy of a pair has one of its two texts changed, drawn at random.

    Words that are swapped in, and halves that are mixed in, come from the texts of the same side.
    """
    pairs = [each for each in given if not isinstance(each, str)]
    if not pairs:
        return list(augment_texts(texts_of(given), unknown, settings, seed))
    first, second = (augment_texts([pair[side] for pair in pairs], unknown, settings, seed) for side in (0, 1))
    kept = np.random.default_rng([seed, settings.copies]).random(len(first)) < 0.5
    rows = zip(first, second, pairs * settings.copies, kept, strict=True)
    return [(one, own[1]) if left else (own[0], other) for one, other, own, left in rows]


def augment_texts(texts: Sequence[str], unknown: str, settings: Augment, seed: int) -> list[str]:
    """`settings.copies` changed copies of every text, in the order of `texts`, one pass after the other; fixed by `seed`."""
    words = [text.split() or [unknown] for text in texts]
    pool = [word for each in words for word in each]
    made = []
    for number in range(settings.copies):
        draw = np.random.default_rng([seed, number])
        others = draw.permutation(len(words))
        for row, own in enumerate(words):
            changed = list(own)
            if draw.random() < settings.mix:
                other = words[others[row]]
                changed = own[: (len(own) + 1) // 2] + other[len(other) // 2 :]
            chances = draw.random(len(changed))
            for place, chance in enumerate(chances):
                if chance < settings.drop:
                    changed[place] = unknown
                elif chance < settings.drop + settings.swap:
                    changed[place] = pool[draw.integers(len(pool))]
            made.append(" ".join(filter(None, changed)))
    return made


def unlabelled_inputs(path: Path, pairs: bool) -> list[Input]:
    """The distinct inputs of a file, one a line; the two texts of a pair have a tab between them.

    Raises DataError when it can't be read, has none, or a line is no pair where pairs are wanted.
    """
    lines = unlabelled_texts(path)
    if not pairs:
        return list(lines)
    found = [tuple(part.strip() for part in line.split("\t")) for line in lines]
    wrong = next((line for line, parts in zip(lines, found, strict=True) if len(parts) != 2 or not all(parts)), None)
    if wrong is not None:
        raise DataError(
            f"augment.unlabelled={path}: {wrong[:60]!r} is no pair; each line must have two texts with a tab between"
        )
    return [(parts[0], parts[1]) for parts in found]


def unlabelled_texts(path: Path) -> list[str]:
    """The distinct non-empty lines of a file. Raises DataError when it can't be read or has none."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # and not at the other ends that splitlines knows
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"augment.unlabelled={path}: can't be read as UTF-8 text ({type(error).__name__})") from error
    texts = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not texts:
        raise DataError(f"augment.unlabelled={path}: the file has no text; it must have one text a line")
    repeated = sum(bool(line.strip()) for line in lines) - len(texts)
    if repeated:
        log.info("%s: %d lines that repeat another are left out; %d texts are used", path, repeated, len(texts))
    return texts
