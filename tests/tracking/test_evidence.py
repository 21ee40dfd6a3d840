"""What decisions compare runs by is read from the files of the runs; older runs lack some of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import Track
from pipeline.errors import TrackError
from pipeline.evaluation.report import Judged
from pipeline.tracking.contents import write_predictions
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect
from tests.tracking.test_runs import IDENTITY, PREDICTIONS, VALIDATION, against, finish, report


def test_pairs_and_answers_of_a_run_are_read_from_its_files(root: Path) -> None:
    tracker = Tracker(connect(Track(root=str(root))), "toy/tiny")
    with tracker.run(IDENTITY) as run:
        run.log_report(report(2.0, against(2.0, 6.0)), {})
    found = tracker.evidence_of(run.run_id)
    assert np.exp(found.log_ratios).tolist() == pytest.approx([3.0, 3.0])
    assert [ms.tolist() for ms in found.baseline_ms] == [[6.0] * 3] * 2
    assert found.right is not None and found.right.tolist() == VALIDATION.right.tolist() == [True, True, False]
    assert found.texts == tuple(VALIDATION.texts)
    assert found.baseline_right is not None and found.baseline_right.all()
    assert found.labels is not None and found.labels.tolist() == ["weather", "weather", "music"]
    test = found.test
    assert found.validation is not None and found.validation.labels is found.labels
    assert test is not None and test.texts == tuple(PREDICTIONS.texts) and test.right.tolist() == [True, False]
    assert test.baseline is not None and test.baseline.tolist() == [True, True]
    baseline = tracker.evidence_of(finish(tracker, replace(IDENTITY, role="baseline"), 5.0))
    assert len(baseline.log_ratios) == 0 and [ms.tolist() for ms in baseline.baseline_ms] == [[5.0] * 3] * 2
    assert baseline.test is not None and baseline.test.baseline is None
    with tracker.run(IDENTITY) as scoped:
        write_predictions(Judged(replace(PREDICTIONS, oos=1), {}), root / "predictions.parquet")
        tracker.client.log_artifact(scoped.run_id, str(root / "predictions.parquet"))
    outside = tracker.evidence_of(scoped.run_id).test
    assert outside is not None and outside.outside is not None and outside.outside.tolist() == [False, True]
    with tracker.run(IDENTITY) as old:
        pass
    empty = tracker.evidence_of(old.run_id)
    assert (
        empty.right is None
        and empty.test is None
        and empty.texts == ()
        and empty.baseline_ms == ()
        and len(empty.log_ratios) == 0
    )
    tracker.client.log_text(old.run_id, "damaged", "latency.parquet")
    with pytest.raises(TrackError, match=f"the files of run {old.run_id} can't be read .* run it again"):
        tracker.evidence_of(old.run_id)
