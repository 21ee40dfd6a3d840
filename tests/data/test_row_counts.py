"""Rows that were read, dropped for each reason, and drawn are counted; `data_report.md` shows them beside the notes."""

from pathlib import Path
from typing import Any

from tests.conftest import write_csv
from tests.data.test_files import load

GOOD = [(f"text number {i}", "ab"[i % 2]) for i in range(40)]


def test_rows_are_counted_by_what_was_done_to_them(tmp_path: Path) -> None:
    train = write_csv(tmp_path / "a.csv", [*GOOD, ("", "a"), ("no label", ""), ("seldom", "c"), ("held", "b")])
    test = write_csv(tmp_path / "b.csv", [("held", "b"), ("new", "a"), ("what", "d"), ("rare", "c")])
    settings: dict[str, Any] = {"on_bad_rows": "drop", "on_leaks": "drop_train", "min_class_size": 2, "rare_classes": "drop"}
    splits = load(train, test=str(test), **settings)
    assert splits.rows == {
        "read": {"train": 44, "test": 4},
        "dropped: bad rows": {"train": -2, "test": -1},
        "dropped: leaks": {"train": -1},
        "dropped: rare classes": {"train": -1, "test": -1},
        "drawn from train": {"train": -4, "validation": 4},
        "used": {"train": 36, "validation": 4, "test": 2},
    }
    assert splits.metrics == {"data/dropped_rows": 6}
    report = splits.report(["seen since"])
    assert "| rows | train | validation | test |" in report and "| dropped: bad rows | -2 |  | -1 |" in report
    assert "| used | 36 | 4 | 2 |" in report and f"- {test}: 1 of 4 rows were dropped" in report
    assert report.endswith("- seen since\n")


def test_where_nothing_is_dropped_nothing_is_logged_of_it(tmp_path: Path) -> None:
    splits = load(write_csv(tmp_path / "a.csv", GOOD))
    assert splits.metrics == {} and list(splits.rows) == ["read", "drawn from train", "used"]
    assert splits.report().endswith("Nothing looks wrong.\n")
