"""Cross-fitting: answers to the validation split by rules that were fitted without the text that they answer.

A decision rule or a cascade's threshold is fitted on the validation split, so its own answers there are better than those to
new texts. A step that fits one also fits it `FOLDS` times, each time without one fold of the split, and the artifact keeps
these rules (`Description.fold_rules`). Each text is answered by the rule that has not seen it (Stone 1974, *Cross-validatory
choice and assessment of statistical predictions*). Serving never uses them.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pipeline.runtimes.base import Description
from pipeline.tasks.base import Answers, strata
from pipeline.tasks.inputs import Given

FOLDS = 5
SEED = 0
Parts = Mapping[int | None, np.ndarray]  # fold -> its texts, int64 (m,), positions in the split; None: no fold


def folds_of(truth: np.ndarray) -> np.ndarray:
    """The fold of each text, 0 to FOLDS - 1, int64 (n,). Each combination of labels is spread evenly."""
    shuffled = np.random.default_rng(SEED).permutation(len(truth))
    by_label = shuffled[np.argsort(strata(truth)[shuffled], kind="stable")]
    folds = np.empty(len(truth), dtype=np.int64)
    folds[by_label] = np.arange(len(truth)) % FOLDS
    return folds


def without_each_fold(truth: np.ndarray) -> list[np.ndarray]:
    """For each fold the texts that are not in it, bool (n,). A single text is in all of them: nothing could be fitted."""
    folds = folds_of(truth)
    return [(folds != fold) | (len(truth) == 1) for fold in range(FOLDS)]


def parts(description: Description, truth: np.ndarray) -> Parts:
    """The texts by fold; all of them under None where nothing was fitted on the validation split. truth: int64 (n,)."""
    if description.fold_rules is None:
        return {None: np.arange(len(truth))}
    folds = folds_of(truth)
    return {fold: np.flatnonzero(folds == fold) for fold in range(FOLDS) if (folds == fold).any()}


def texts_by_fold(description: Description, texts: Sequence[Given], truth: np.ndarray) -> dict[int | None, list[Given]]:
    """The texts of the validation split that each fold's classifier answers."""
    return {fold: [texts[row] for row in rows] for fold, rows in parts(description, truth).items()}


def joined(description: Description, logits: Mapping[int | None, np.ndarray], truth: np.ndarray) -> np.ndarray:
    """The logits of `texts_by_fold` in the order of the split: float32 (n, labels)."""
    result = np.empty((len(truth), len(description.labels)), dtype=np.float32)
    for fold, rows in parts(description, truth).items():
        result[rows] = logits[fold]
    return result


def answer(description: Description, logits: np.ndarray, truth: np.ndarray) -> Answers:
    """The cross-fitted answers to the validation split; logits of `joined`, float32 (n, labels)."""
    by_fold = parts(description, truth)
    found = [description.rule_of(fold).answer(logits[rows]) for fold, rows in by_fold.items()]
    place = np.argsort(np.concatenate([*by_fold.values()]), kind="stable")
    return Answers(*(np.concatenate(each)[place] for each in zip(*found, strict=True)))


def selection_optimism(
    measured: np.ndarray,
    truth: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray] | None = None,
    rank: Callable[[np.ndarray], np.ndarray] | None = None,
) -> float:
    """How much better the best of several candidates looks on the texts that chose it than on others, as a share.

    measured: bool (candidates, n), which answers of each are right, or uint8 (candidates, n, parts), what each text adds to
    a metric, which `score` makes of their means. It is the metric of the best one minus the cross-fitted metric of choosing:
    on each fold, that of the candidate that is best on the other folds. The best one has the largest `rank`, which takes the
    texts that choose, bool (n,), and returns float (candidates,); without it, the largest metric.
    """
    parts = measured[..., None] if measured.ndim == 2 else measured
    score = score or (lambda mean: mean[..., 0])
    ranked = rank or (lambda texts: score(parts[:, texts].mean(axis=1)))
    folds, chosen = folds_of(truth), parts[ranked(np.ones(len(truth), dtype=bool)).argmax()].copy()
    found = float(score(chosen.mean(axis=0)))
    for fold in np.unique(folds) if len(truth) > 1 else ():
        inside = folds == fold
        chosen[inside] = parts[ranked(~inside).argmax(), inside]
    return found - float(score(chosen.mean(axis=0)))
