"""Confirmations on one test split are counted; the same again is no further one."""

from dataclasses import replace
from pathlib import Path

from pipeline.config import Track
from pipeline.tracking.confirmations import count_confirmation
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect
from tests.tracking.test_runs import IDENTITY


def test_confirmations_are_counted_by_test_split(root: Path) -> None:
    tracker = Tracker(connect(Track(root=str(root))), "toy/tiny")
    runs = []
    for identity in (IDENTITY, IDENTITY, replace(IDENTITY, data_hash="other data")):
        with tracker.run(identity) as run:
            runs.append(run.run_id)

    def count(run_id: str, judged: str) -> int:
        return count_confirmation(tracker.client, tracker.experiment_id, run_id, judged)

    first, second, other = runs
    assert [count(first, "size_mb=30"), count(second, "size_mb=30"), count(second, "size_mb=40")] == [1, 2, 3]
    assert count(second, "size_mb=30") == 2, "the same again tells nothing new"
    assert count(other, "size_mb=30") == 1, "its test split was not looked at"
