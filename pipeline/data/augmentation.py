"""More texts for distillation, made from those of the train split; the teacher labels them, so they need no labels.

Changes are random, with a seed. Words are separated by spaces; a dropped word becomes the tokenizer's unknown token, as any
word that is missing in its vocabulary.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config import Settings, setting
from pipeline.errors import DataError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Augment(Settings):
    """What is added to the texts of the train split."""

    copies: int = setting(0, min=0, max=100)  # changed copies of each text
    drop: float = setting(0.1, min=0, max=1)  # share of their words that become the unknown token
    swap: float = setting(0.1, min=0, max=1)  # share of words that become a word of another text
    mix: float = setting(0.25, min=0, max=1)  # share of the copies whose second half is another text's
    unlabelled: str | None = None  # a file with one text a line, without labels


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
            made.append(" ".join(changed))
    return made


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
