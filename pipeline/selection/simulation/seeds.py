"""Several seeds: does the interval of a mean over seeds and texts cover the true mean of the method?"""

import numpy as np

from pipeline.evaluation.quality.seeds import change_over_seeds, ratio_over_seeds
from pipeline.evaluation.statistics import Interval
from pipeline.selection.simulation.figures import Figures, percent

CHANGE, FLIPS, ACCURACY = -0.005, 0.03, 0.93  # the true mean change, the share of texts that flip, and of the baseline
SEEDS, TEXTS = (2, 3, 5), (600, 5500)
VARIATIONS = ((0.0, 0.0), (0.0, 1.0), (0.003, 0.5))  # standard deviation between seeds; share of texts on which seeds agree
SPREADS = ((0.0, 0.01), (0.02, 0.01))  # of log ratios, between seeds and between pairs
PAIRS = 6


def answers(
    rng: np.random.Generator, seeds: int, texts: int, between: float, agreed: float
) -> tuple[np.ndarray, np.ndarray]:
    """Right answers of baseline and candidate, bool (seeds, texts)."""
    baseline = np.tile(rng.random(texts) < ACCURACY, (seeds, 1))
    luck = np.where(rng.random(texts) < agreed, rng.random(texts), rng.random((seeds, texts)))
    change = (CHANGE + between * rng.standard_normal(seeds))[:, None]
    lost, gained = (FLIPS - change) / 2 / ACCURACY, (FLIPS + change) / 2 / (1 - ACCURACY)
    return baseline, np.where(baseline, luck >= lost, luck < gained)


def ratios(rng: np.random.Generator, seeds: int, between: float, within: float) -> list[np.ndarray]:
    """Log ratios of the pairs of each seed; the truth is 0."""
    return [between * rng.standard_normal() + within * rng.standard_normal(PAIRS) for _ in range(seeds)]


def simulate(cases: int, seed: int) -> Figures:
    """Changes of accuracy, and speed-ups."""
    rng, rows = np.random.default_rng(seed), list[tuple[str, ...]]()
    for texts in TEXTS:
        for seeds in SEEDS:
            for between, agreed in VARIATIONS:
                drawn = [change_over_seeds(*answers(rng, seeds, texts, between, agreed)) for _ in range(cases)]
                what = f"{100 * between:g} pp between seeds, {agreed:.0%} of the texts alike"
                rows.append(("change of accuracy", f"{texts} texts", f"{seeds}", what, *_cells(drawn, CHANGE)))
    for seeds in SEEDS:
        for between, within in SPREADS:
            drawn = [ratio_over_seeds(ratios(rng, seeds, between, within)) for _ in range(cases)]
            what = f"{100 * between:g} % between seeds, {100 * within:g} % between pairs"
            rows.append(("speed-up", f"{PAIRS} pairs", f"{seeds}", what, *_cells(drawn, 1.0)))
    return Figures(
        "Several seeds: does the interval have the true mean?",
        ("metric", "of each seed", "seeds", "what varies", "covered", "low above it", "width"),
        tuple(rows),
        f"95 % should be covered. {100 * FLIPS:g} % of the texts flip. Widths are in percentage points, of speed-ups in %. "
        "Where seeds do not differ more is covered: from a few seeds it can't be seen that they do not.",
    )


def _cells(found: list[Interval], truth: float) -> tuple[str, str, str]:
    covered = percent([one.low <= truth <= one.high for one in found])
    width = 100 * float(np.mean([one.high - one.low for one in found]))
    return covered, percent([one.low > truth for one in found]), f"{width:.2f}"
