"""The same run again: nothing is trained or measured twice, unless something differs or other work ran beside it."""

import contextlib
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.evaluation.rows import Row
from pipeline.run import UnmeasuredRun, make_artifact, run
from pipeline.tracking.server import database_uri
from tests.conftest import EPOCH, composed, small, write_csv
from tests.support.runs import quiet, runs_of

pytestmark = pytest.mark.slow

JOB = ["optim=baseline_onnx_int8", "optim@baseline=baseline_onnx"]
BASELINE = ["optim=baseline_onnx", "optim@baseline=baseline_onnx"]


@dataclass(frozen=True)
class Again:
    """An optimization whose run has finished, and what running it again gave."""

    root: Path
    tiny: list[str]
    first: Row
    second: Row
    told: tuple[str, str]  # what both have printed
    optims: list[str]  # of the runs that there are after both
    trainings: tuple[list[str], list[str]]  # what is stored of the trainings after each

    @property
    def baseline(self) -> str:
        """The run of the baseline, which was the first."""
        return str(runs_of(self.root)[0].info.run_id)

    def run(self, *overrides: str) -> Row:
        return run(composed(*overrides, *self.tiny)).row


def _trained_again(*_: object) -> None:
    raise AssertionError("it was trained again")


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory, ready_database: Path, toy_rows: list[tuple[str, str]]) -> Again:
    """Most texts are cut, which is told."""
    folder = tmp_path_factory.mktemp("again")
    root = folder / "mlruns"
    root.mkdir()
    shutil.copy(ready_database, root / "mlflow.db")
    tiny = ["backbone.max_length=10", *small(root, write_csv(folder / "toy.csv", toy_rows)), *EPOCH]

    def printed() -> tuple[Row, str, list[str]]:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            row = run(composed(*JOB, *tiny)).row
        return row, out.getvalue(), [file.read_text() for file in sorted((root / "stages").glob("finetune-*/manifest.json"))]

    first, told, trained = printed()
    quiet(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.steps.finetune.Finetune.make", _trained_again)
        second, told_again, trained_again = printed()
    optims = [each.data.tags["optim"] for each in runs_of(root)]
    return Again(root, tiny, first, second, (told, told_again), optims, (trained, trained_again))


def test_what_is_cut_is_told_in_both_runs(again: Again, tmp_path: Path) -> None:
    client = MlflowClient(database_uri(again.root))
    for stored in runs_of(again.root)[:2]:
        file = client.download_artifacts(stored.info.run_id, "data_report.md", str(tmp_path))
        notes = Path(file).read_text(encoding="utf-8")
        assert "longer than backbone.max_length" in notes and "max_length=10; counted on" in notes
        told, share = stored.data.tags["mlflow.note.content"], stored.data.metrics["data/truncated_share"]
        assert "of all tokens" in told and share > 0.5


def test_a_second_run_trains_and_measures_nothing(again: Again) -> None:
    first, second = again.told
    assert "reused measurement" not in first and "measured before" not in first
    assert len(again.trainings[0]) == 1 and again.trainings[0] == again.trainings[1]
    assert again.optims == ["baseline_onnx", "baseline_onnx_int8"]
    assert again.second.run_id == again.first.run_id and again.second.measured_at
    assert "baseline_onnx_int8 = " in second and "= reused measurement: baseline_onnx_int8 (20" in second


def test_in_a_sweep_a_measurement_of_before_is_copied_whole(again: Again) -> None:
    config = composed(*JOB, *again.tiny, "sweep.id=s", "sweep.job=0")
    waiting = make_artifact(config)
    assert isinstance(waiting, UnmeasuredRun)
    copied = run(config, pending_run_id=waiting.run_id).row
    client = MlflowClient(database_uri(again.root))
    old, new = (client.get_run(row.run_id) for row in (again.first, copied))
    assert new.info.run_id == waiting.run_id != old.info.run_id and new.data.tags["measured_in"] == old.info.run_id
    final = {name: value for name, value in old.data.metrics.items() if not name.startswith("training/")}
    assert final.items() <= new.data.metrics.items() and copied.measured_at
    files, ours = ({item.path for item in client.list_artifacts(run.info.run_id)} for run in (old, new))
    assert files == ours and "classifier" in ours and "predictions.parquet" in ours


def test_it_is_measured_again_where_that_is_asked_for(again: Again) -> None:
    before = len(runs_of(again.root))
    measured = again.run(*JOB, "measure.again=true")
    assert measured.run_id != again.first.run_id and not measured.measured_at
    assert len(runs_of(again.root)) == before + 1


def test_a_measurement_with_other_settings_or_beside_other_work_is_not_reused(again: Again) -> None:
    assert again.run(*BASELINE).run_id == again.baseline
    assert again.run(*BASELINE, "measure.margin=0.05").run_id != again.baseline
    MlflowClient(database_uri(again.root)).set_tag(again.baseline, "contended", "something else ran")
    assert again.run(*BASELINE).run_id != again.baseline
