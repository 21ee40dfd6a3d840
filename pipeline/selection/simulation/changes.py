"""Changes of quality: how often does the interval of a change miss the true change?

Texts are drawn from a known population of true labels and of both classifiers' answers, so the true change of each metric is
known exactly. What matters most is a lower bound above the truth: such a bound would let something inferior pass.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.quality.paired import compare
from pipeline.selection.simulation.figures import Figures, percent
from pipeline.tasks.weighted import weighted

OOS_SHARE = 0.2  # of the texts, where there is an out-of-scope label


@dataclass(frozen=True)
class Population:
    """Kinds of texts, with the share of each; all (kinds,)."""

    truth: np.ndarray
    baseline: np.ndarray
    candidate: np.ndarray
    share: np.ndarray
    labels: int
    oos: int | None

    def true_changes(self) -> dict[str, float]:
        """The true change of each metric, as a share."""
        old, new = (
            weighted(self.share[None], answers, self.truth, self.labels, self.oos)
            for answers in (self.baseline, self.candidate)
        )
        return {name: float(new[name][0] - old[name][0]) for name in old}


def population(labels: int, right: float, lost: float, gained: float, oos: bool = False, skewed: bool = False) -> Population:
    """The baseline answers a share `right`; of all texts `lost` and `gained` are those that only one answers right.

    Labels are equally frequent, or the k-th has a share in proportion to 1 / k. Wrong answers are spread evenly.
    """
    prior = 1 / np.arange(1, labels + 1) if skewed else np.ones(labels)
    if oos:
        prior[:-1] *= (1 - OOS_SHARE) / prior[:-1].sum()
        prior[-1] = OOS_SHARE
    truth, other = (grid.ravel() for grid in np.meshgrid(np.arange(labels), np.arange(labels), indexing="ij"))
    wrong, same = truth != other, truth == other
    share = (prior / prior.sum())[truth] / np.where(same, 1, labels - 1)
    kinds = (
        (same, truth, truth, right - lost),
        (wrong, truth, other, lost),
        (wrong, other, truth, gained),
        (wrong, other, other, 1 - right - gained),
    )
    parts = [(truth[rows], before[rows], after[rows], part * share[rows]) for rows, before, after, part in kinds]
    true, before, after, shares = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Population(true, before, after, shares, labels, labels - 1 if oos else None)


ROWS = (  # texts, and a population
    (60, population(10, 0.9, 0.02, 0.01, oos=True)),
    (60, population(5, 0.9, 0.03, 0.01, skewed=True)),
    (600, population(10, 0.93, 0.005, 0.002, oos=True)),
    (600, population(20, 0.9, 0.01, 0.005, skewed=True)),
    (5500, population(10, 0.93, 0.005, 0.002, oos=True)),
    (5500, population(20, 0.93, 0.018, 0.015, skewed=True)),
)
SHOWN = {
    "accuracy": "accuracy",
    "f1_macro": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "oos_precision": "out-of-scope precision",
}


def misses(drawn: Population, n: int, cases: int, seed: int) -> dict[str, list[tuple[bool, bool, float]]]:
    """By metric and case: whether the lower bound is above the truth, the upper one below it, and the width."""
    rng, true, found = np.random.default_rng([seed, n]), drawn.true_changes(), dict[str, list[tuple[bool, bool, float]]]()
    for _ in range(cases):
        rows = rng.choice(len(drawn.share), size=n, p=drawn.share / drawn.share.sum())
        answers = drawn.baseline[rows], drawn.candidate[rows], drawn.truth[rows]
        differences = compare(*answers, drawn.labels, drawn.oos).differences
        for name, it in ((name, differences[name]) for name in true if name in differences):
            missed = it.low > true[name] + 1e-12, it.high < true[name] - 1e-12, it.high - it.low
            found.setdefault(name, []).append(missed)
    return found


def simulate(cases: int, seed: int) -> Figures:
    """Few and many texts and flips, even and skewed labels."""
    rows = []
    for n, drawn in ROWS:
        flips = n * float(drawn.share[(drawn.baseline == drawn.truth) != (drawn.candidate == drawn.truth)].sum())
        for name, values in misses(drawn, n, cases, seed).items():
            if name in SHOWN:
                above, below, widths = zip(*values, strict=True)
                change = f"{100 * drawn.true_changes()[name]:+.2f}"
                rows.append((SHOWN[name], f"{n}", f"{drawn.labels}", f"{flips:.0f}", change, percent(above), percent(below),
                             f"{100 * np.mean(widths):.1f}"))  # fmt: skip
    return Figures(
        "Changes of quality: how often does the interval miss the truth?",
        ("metric", "texts", "labels", "flips", "true change pp", "low above it", "high below it", "width pp"),
        tuple(rows),
        "2.5 % are allowed on a side. Flips are the texts that only one of the two answers right, on average. Of 10 labels "
        "one is out of scope; of 5 and 20 labels, the k-th is 1 / k as frequent as the first.",
    )
