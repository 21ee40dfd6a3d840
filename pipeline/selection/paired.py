"""Two candidates compared with each other: the flips between them, and the log ratios of their pairs.

Whether two intervals against the baseline overlap does not tell it. Both answered the same texts, so most of the uncertainty
of each cancels; and intervals of pairs that were measured apart may overlap although their difference is sure.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.evidence import Evidence
from pipeline.evaluation.quality.intervals import bootstrap, tango
from pipeline.evaluation.quality.seeds import change_over_seeds
from pipeline.evaluation.statistics import Interval, difference_interval
from pipeline.selection.candidate import Candidate
from pipeline.tasks.inputs import Input
from pipeline.tasks.label_metrics import f1_of_counts


def speed_ratio(one: Candidate, other: Candidate) -> Interval | None:
    """How many times as fast `one` is as `other`, with the interval of the difference of the mean log speed-ups.

    Each pair of one seed, or each of several seeds, gives one value. None where one of the two has fewer than two values.
    """
    first, second = _log_speedups(one), _log_speedups(other)
    if len(first) < 2 or len(second) < 2:
        return None
    found = difference_interval(first, second)
    with np.errstate(over="ignore"):
        return Interval(*(float(np.exp(value)) for value in (found.value, found.low, found.high)))


def _log_speedups(candidate: Candidate) -> np.ndarray:
    if candidate.is_baseline:
        return np.zeros(2)  # it is exactly as fast as itself
    several = [run.log_ratios for run in candidate.evidence]
    if len(several) == 1:
        return several[0]
    return np.array([values.mean() for values in several if len(values)])


def accuracy_difference(one: Candidate, other: Candidate) -> Interval | None:
    """Accuracy of `one` minus that of `other` on the validation split, in percentage points, from their own flips.

    For one seed it is Tango's interval. Of several, those seeds count that both have, and the texts that all of them have
    (see `change_over_seeds`). None where no seed has the answers of both to the same texts.
    """
    runs = _of_common_seeds(one, other)
    if not runs:
        return None
    if len(runs) > 1:
        ours, theirs = (np.array(rights) for rights in zip(*_of_common_texts(runs), strict=True))
        return change_over_seeds(theirs, ours).scaled(100) if ours.shape[1] > 1 else None
    _, ours, theirs = runs[0]
    return tango(int((ours & ~theirs).sum()), int((theirs & ~ours).sum()), len(ours)).scaled(100)


def quality_difference(one: Candidate, other: Candidate) -> Interval | None:
    """The difference in the metric that ranks: micro F1 where texts may have several labels, else accuracy.

    That of micro F1 is the paired bootstrap over texts, of the mean over the seeds that both have; None without any.
    """
    parts = [
        (run.parts, its.parts)
        for run, its in _of_same_texts(one, other)
        if run.parts is not None and its.parts is not None and run.parts.shape[1] > 1
    ]
    if not parts:
        return accuracy_difference(one, other)
    if len({len(ours) for ours, _ in parts}) > 1:
        return None
    kinds = np.concatenate([np.concatenate(each, axis=1) for each in parts], axis=1).reshape(len(parts[0][0]), -1, 2)

    def difference(weights: np.ndarray) -> dict[str, np.ndarray]:
        sums = np.einsum("rn,nkp->rkp", weights, kinds.astype(np.float32))
        f1 = f1_of_counts(sums)
        return {"": (f1[:, 0::2] - f1[:, 1::2]).mean(axis=1)}

    found = bootstrap(np.ones(len(kinds), dtype=np.int64), difference)
    return found[""].scaled(100) if found else None


def _of_same_texts(one: Candidate, other: Candidate) -> list[tuple[Evidence, Evidence]]:
    """The evidence of both for each seed that both have, where it is of the same validation texts."""
    known = {row.seed: run for row, run in zip(other.rows, other.evidence, strict=False)}
    pairs = [(run, known.get(row.seed, Evidence())) for row, run in zip(one.rows, one.evidence, strict=False)]
    return [(run, its) for run, its in pairs if run.texts and run.texts == its.texts]


Rights = tuple[tuple[Input, ...], np.ndarray, np.ndarray]  # texts or pairs, and which answers are right, bool (texts,)


def _of_common_seeds(one: Candidate, other: Candidate) -> list[Rights]:
    """The answers of both to the same texts, for each seed that both have."""
    known = {row.seed: run for row, run in zip(other.rows, other.evidence, strict=False)}
    found = []
    for row, run in zip(one.rows, one.evidence, strict=False):
        its = known.get(row.seed, Evidence())
        if run.right is not None and its.right is not None and run.texts == its.texts:
            found.append((run.texts, run.right, its.right))
    return found


def _of_common_texts(runs: Sequence[Rights]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The answers of both for each seed to the texts that all seeds have; a seed may have drawn its own validation split."""
    places = [{text: place for place, text in enumerate(texts)} for texts, _, _ in runs]
    common = [text for text in places[0] if all(text in has for has in places)]
    chosen = [np.array([has[text] for text in common], dtype=np.int64) for has in places]
    return [(ours[own], theirs[own]) for (_, ours, theirs), own in zip(runs, chosen, strict=True)]
