"""An export is judged by how far logits lie apart, and by answers; the message says what to do."""

import numpy as np
import pytest

from pipeline.errors import OptimizationError
from pipeline.steps.shared.export_check import TEXTS, TIE, TOLERANCE, Compared, drawn_texts, require_equal

LOGITS = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
NOISE = np.random.default_rng(1).uniform(-1, 1, size=LOGITS.shape).astype(np.float32)


def judged(expected: np.ndarray, found: np.ndarray) -> float:
    return require_equal([Compared("some texts", expected, found)], "set fuse=parts")


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_the_same_share_is_allowed_whatever_the_size_of_the_logits(size: float) -> None:
    deviation = float(np.sqrt(LOGITS.var(axis=1).mean()))
    near, far = (size * (LOGITS + share * TOLERANCE * deviation * NOISE) for share in (0.5, 3))
    assert judged(size * LOGITS, near) == pytest.approx(float(np.abs(near - size * LOGITS).max()))
    with pytest.raises(OptimizationError, match=r"some texts; logits have a .* 0 of 50 answers differ; set fuse=parts$"):
        judged(size * LOGITS, far)


def test_only_the_answers_of_ties_may_differ() -> None:
    deviation = float(np.sqrt(LOGITS.var(axis=1).mean()))
    for margin, allowed in ((0.5 * TIE, True), (5 * TIE, False)):
        expected, found = LOGITS.copy(), LOGITS.copy()
        first, second = np.argsort(-expected[7])[:2]
        expected[7, second] = found[7, second] = expected[7, first]
        expected[7, second] -= np.float32(margin * deviation)
        found[7, second] += np.float32(margin * deviation)
        if allowed:
            judged(expected, found)
            continue
        with pytest.raises(OptimizationError, match="1 of 50 answers differ"):
            judged(expected, found)


def test_equal_logits_may_differ_by_rounding_only() -> None:
    flat = np.full((4, 3), 1000, dtype=np.float32)
    judged(flat, flat + np.float32(1e-4))
    for wrong in (flat + np.float32(0.1), np.full_like(flat, np.nan)):
        with pytest.raises(OptimizationError, match="differs from torch"):
            judged(flat, wrong)


def test_texts_are_drawn_from_the_whole_split() -> None:
    texts = [f"{row:04}" for row in range(1000)]  # as if sorted by label
    drawn = drawn_texts(texts)
    assert len(set(drawn)) == TEXTS and drawn == drawn_texts(texts) and min(drawn) < "0100" < "0900" < max(drawn)
    assert sorted(drawn_texts(texts[:3])) == texts[:3]
