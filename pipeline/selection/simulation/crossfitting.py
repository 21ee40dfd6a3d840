"""Cross-fitting: is what is said of the validation split what new texts show?

A decision rule with temperature, weight and threshold is fitted on validation texts and judged on them: with itself, and
cross-fitted. And the best of several epochs is kept, which flatters it by chance.
"""

from dataclasses import replace

import numpy as np

from pipeline.runtimes import crossfit
from pipeline.runtimes.base import Description
from pipeline.selection.simulation.figures import Figures
from pipeline.steps.calibrate import Calibrate

LABELS, SIZES, NEW_TEXTS = 4, (60, 600, 3000), 4000
SIGNAL = 1.2  # how much the true label's logit stands out; the others are standard normal
EPOCHS, ACCURACY = 8, 0.9
CHANGED = 0.02  # share of the texts whose answer is drawn anew in each epoch
SLOW = 5  # fitting takes long, so that fewer cases are drawn


def drawn(rng: np.random.Generator, texts: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a mediocre classifier, float32 (texts, labels), and the truth; the last label is out of scope."""
    truth = rng.integers(LABELS, size=texts)
    return (rng.standard_normal((texts, LABELS)) + SIGNAL * np.eye(LABELS)[truth]).astype(np.float32), truth


def rule_case(rng: np.random.Generator, texts: int) -> tuple[float, float, float]:
    """Accuracy of a rule on the texts that it was fitted on, the cross-fitted one, and that on new texts."""
    step, oos = Calibrate("calibrate", oos_share=None), LABELS - 1
    (logits, truth), (new, true) = drawn(rng, texts), drawn(rng, NEW_TEXTS)
    rule = step.fit(logits, truth, oos)
    rules = [step.fit(logits[rows], truth[rows], oos).described() for rows in crossfit.without_each_fold(truth)]
    description = replace(Description("onnx", ["a", "b", "c", "oos"], 64, oos), fold_rules=rules)
    answers = rule.answer(logits).labels, crossfit.answer(description, logits, truth).labels
    own, held_out = (float((labels == truth).mean()) for labels in answers)
    return own, held_out, float((rule.answer(new).labels == true).mean())


def epochs_case(rng: np.random.Generator, texts: int) -> tuple[float, float]:
    """Of epochs that are equally good: how much better the best one looks than it is, and the estimate of that."""
    right = np.tile(rng.random(texts) < ACCURACY, (EPOCHS, 1))
    right = np.where(rng.random(right.shape) < CHANGED, rng.random(right.shape) < ACCURACY, right)
    return float(right.mean(axis=1).max()) - float(right.mean()), crossfit.selection_optimism(
        right, np.zeros(texts, np.int64)
    )


def simulate(cases: int, seed: int) -> Figures:
    """Decision rules and epochs, for several sizes of the validation split."""
    rng, rows = np.random.default_rng(seed), list[tuple[str, ...]]()
    for texts in SIZES:
        own, held_out, new = 100 * np.mean([rule_case(rng, texts) for _ in range(max(1, cases // SLOW))], axis=0)
        rows.append(("decision rule", f"{texts}", f"{own - new:+.2f}", f"{held_out - new:+.2f}"))
    for texts in SIZES:
        true, estimated = 100 * np.mean([epochs_case(rng, texts) for _ in range(cases)], axis=0)
        rows.append((f"best of {EPOCHS} epochs", f"{texts}", f"{true:+.2f}", f"{true - estimated:+.2f}"))
    return Figures(
        "Validation: how much better does accuracy look there than it is?",
        ("what was fitted or chosen", "texts", "as it is, pp", "cross-fitted, pp"),
        tuple(rows),
        "Zero is honest. A rule is cross-fitted. Of epochs, what is left is after subtracting selection_optimism_pp. They "
        f"are equally good, and each draws {100 * CHANGED:g} % of the answers anew. For rules one case in {SLOW} is drawn.",
    )
