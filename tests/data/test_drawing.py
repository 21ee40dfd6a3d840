"""Splits drawn from train: largest remainder, and what they lack."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.drawing import largest_remainder
from pipeline.errors import DataError
from tests.conftest import write_csv
from tests.data.test_files import load, rows_of


def long_tail(path: Path, small: int = 99, size: int = 3) -> Path:
    sizes = {**{f"class {i}": size for i in range(small)}, "large": 100}
    return write_csv(path, [(f"{label} {i}", label) for label, size in sizes.items() for i in range(size)])


def test_a_share_is_divided_by_largest_remainder() -> None:
    sizes, rng = np.array([3] * 99 + [100]), np.random.default_rng(1)
    counts = largest_remainder(sizes, 0.1, sizes - 1, rng)
    assert counts.sum() == 40 and counts[-1] == 10 and set(counts[:-1]) == {0, 1}
    assert largest_remainder(np.array([10, 20, 70]), 0.25, np.array([9, 19, 69]), rng).tolist() in ([3, 5, 17], [2, 5, 18])
    assert largest_remainder(np.array([1, 1, 2]), 0.5, np.array([0, 0, 1]), rng).tolist() == [0, 0, 1]


def test_a_drawn_split_that_lacks_most_classes_is_an_error_with_counts(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load(long_tail(tmp_path / "a.csv"), test_fraction=0.3)
    line = str(caught.value)
    assert all(word in line for word in ("40 rows of 31 classes", "100 classes", "data.validation_fraction")), line


def test_classes_that_a_split_lacks_are_counted(tmp_path: Path) -> None:
    splits = load(long_tail(tmp_path / "a.csv"), validation_fraction=0.3, test_fraction=0.3)
    assert len({label for _, label in rows_of(splits, "train")}) == 100
    lacking = 100 - len({label for _, label in rows_of(splits, "validation")})
    assert 0 < lacking < 50 and len(splits.validation) == 119
    assert f"the validation split (119 texts) lacks {lacking} of 100 classes: 'class " in "\n".join(splits.notes)
