"""From constraints to a champion that loads: real runs, a real registry, fresh processes; and what goes wrong on the way."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline.cli import run_guarded
from pipeline.commands import export
from pipeline.commands.decide import decide
from pipeline.commands.page import page
from pipeline.commands.rollback import rollback
from pipeline.config import Config
from pipeline.deployment import registry, round_trip
from pipeline.deployment.handler import compose
from pipeline.deployment.registry import Registry
from pipeline.deployment.serve.answers import Answerer
from pipeline.errors import TrackError, UserError
from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import Interval
from pipeline.reporting import tables
from pipeline.run import run
from tests import conftest
from tests.conftest import shrunk, small, write_csv
from tests.support import loaded_back
from tests.support.champions import DAMAGES, NAME, aliases, crown_baseline, loads, place
from tests.support.forked import program
from tests.support.serving import mlflow_server
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

SMALL, BASELINE = ("decide.prefer=size",), ("constraints.speedup=1",)  # what picks which: one pair keeps no speed-up
Decide = Callable[..., int]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, ready_database: Path, toy_rows: list[tuple[str, str]]) -> Path:
    """A directory with toy.csv and mlruns/: a baseline and a quantized, calibrated candidate, both measured."""
    folder = tmp_path_factory.mktemp("ship")
    (folder / "mlruns").mkdir()
    shutil.copy(ready_database, folder / "mlruns" / "mlflow.db")
    write_csv(folder / "toy.csv", toy_rows)
    run(shrunk(composed(folder, "optim=baseline_onnx_int8", "+step@optim.steps.c=calibrate", "optim.name=small")))
    return folder


def composed(folder: Path, *overrides: str) -> Config:
    return conftest.composed(*small(folder / "mlruns", folder / "toy.csv"), "optim@baseline=baseline_onnx", *overrides)


@pytest.fixture(scope="module")
def back() -> Iterator[Any]:
    with loaded_back.running() as server:
        yield server


@pytest.fixture
def client(measured: Path, back: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    """The registry, emptied afterwards; what is loaded back from it answers in a process that starts at once."""
    monkeypatch.setattr(registry, "subprocess", back)
    client = MlflowClient(f"sqlite:///{measured / 'mlruns' / 'mlflow.db'}")
    yield client
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)


@pytest.fixture
def decided(measured: Path, monkeypatch: pytest.MonkeyPatch) -> Decide:
    """Decide with these bounds, without plots; returns the exit code."""
    monkeypatch.setattr(
        tables, "write", lambda rows, chosen, experiment, folder, *_: folder.mkdir(parents=True, exist_ok=True)
    )
    return lambda *overrides: decide(composed(measured, *overrides))


def test_what_keeps_the_constraints_is_registered_with_its_evidence_and_answers_as_it_was_measured(
    measured: Path, client: MlflowClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "subprocess", subprocess)
    assert decide(composed(measured, *SMALL)) == 0
    told = capsys.readouterr().out
    assert "not baseline_onnx: keeps the constraints, but small is the best in size" in told
    assert f"registered: {NAME} version 1; loaded back: the same predictions; its speed was not checked" in told
    assert aliases(client) == {"champion": "1"}
    version = client.get_model_version(NAME, "1")
    assert version.tags["optim"] == "small" and version.tags["checked"].startswith("loaded back: the same predictions")
    assert float(version.tags["quality/accuracy"]) > 0 and version.tags["prefer"] == "size"
    assert float(version.tags["quality/accuracy_low"]) < float(version.tags["quality/accuracy_high"])
    assert float(version.tags["validation/accuracy"]) > 0 and version.tags["chosen_among"] == "2"
    assert "this is the one to report" in version.tags["reported"] and version.tags["reported"] in told
    assert [name for each in client.search_experiments() for name in each.tags if name.startswith("confirmation.")]
    decision = {item.path for item in client.list_artifacts(version.run_id, "decision")}
    assert {"decision/decision.json", "decision/decision.md", "decision/comparison.png"} <= decision
    html = page(composed(measured)).read_text(encoding="utf-8")
    told_too = ("ship small", "this is the one to report", f"Registered as {NAME} version 1", "champion is version 1 now")
    assert all(words in html for words in (*told_too, version.run_id))
    others = re.sub(r"http://127\.0\.0\.1:5000/#/experiments/\d+/runs/[0-9a-f]{32}", "", html)
    assert not re.search(r"https?://|src=|url\(|@import", others), "it loads nothing"


def test_nothing_is_registered_where_nothing_keeps_the_constraints_or_it_is_a_dry_run(
    client: MlflowClient, decided: Decide, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decided("constraints.size_mb=0.001") == 3
    assert "no candidate keeps the constraints; the nearest is small: size" in capsys.readouterr().out
    assert decided("decide.prefer=size", "decide.dry_run=true") == 0
    with pytest.raises(UserError, match="no finished run yet"):
        decided("data.name=other")
    with pytest.raises(UserError, match="not what run"):
        decided("data.test_fraction=0.3")
    with pytest.raises(UserError, match="other settings"):
        decided("measure.threads=2")
    assert not client.search_registered_models()


def test_a_rollback_makes_the_one_before_the_champion_again(
    measured: Path, client: MlflowClient, crowned: str, decided: Decide, capsys: pytest.CaptureFixture[str]
) -> None:
    config = composed(measured)
    with pytest.raises(TrackError, match="no previous champion"):
        rollback(config)
    assert decided(*SMALL) == 0 and aliases(client) == {"champion": "2", "previous": "1"}
    assert client.get_model_version(NAME, "2").tags["optim"] == "small"
    rollback(config)
    assert aliases(client) == {"champion": "1", "previous": "2"}
    assert "version 1 is the champion again" in capsys.readouterr().out
    place(client, "2").joinpath("onnx/model.onnx").write_bytes(b"")
    with pytest.raises(TrackError, match="models:/toy-tiny/2 can't be loaded"):
        rollback(config)
    assert aliases(client) == {"champion": "1", "previous": "2"} and loads(config)


def test_a_measured_optimization_is_exported_as_it_answers(measured: Path, tmp_path: Path) -> None:
    settings = ["optim@baseline=baseline_onnx", *small(measured / "mlruns", measured / "toy.csv")]
    export.main(["small", str(tmp_path / "exported"), *settings])
    ours, theirs = Answerer(tmp_path / "exported"), compose.load(tmp_path / "exported")
    texts = ["rain tomorrow", "play a song", "order a pizza"]
    assert [each["label"] for each in theirs({"inputs": texts})] == [each.label for each in ours(texts)]
    readme = (tmp_path / "exported" / "README.md").read_text(encoding="utf-8")
    assert "EndpointHandler" in readme and "Optimum" in readme and "`decision` in `classifier.json`" in readme


def test_what_is_the_champion_already_is_not_registered_again_unless_it_was_damaged(
    measured: Path, client: MlflowClient, decided: Decide
) -> None:
    assert decided(*SMALL) == 0 and decided(*SMALL) == 0 and aliases(client) == {"champion": "1"}
    place(client, "1").joinpath("onnx/model.onnx").write_bytes(b"")
    assert decided(*SMALL) == 0 and loads(composed(measured))
    assert aliases(client) == {"champion": "2"}, "what is damaged is no way back"


@pytest.fixture
def crowned(measured: Path, client: MlflowClient) -> str:
    """The baseline as the champion, version 1, put there by hand."""
    return crown_baseline(composed(measured), client)


@pytest.mark.parametrize("why", DAMAGES)
def test_what_was_damaged_on_the_way_to_the_registry_does_not_become_the_champion(
    measured: Path, client: MlflowClient, crowned: str, decided: Decide, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    add = Registry.register

    def added(self: Registry, *arguments: Any) -> str:
        number = add(self, *arguments)
        DAMAGES[why](place(client, number))
        return number

    monkeypatch.setattr(Registry, "register", added)
    with pytest.raises(TrackError, match=why):
        decided(*SMALL)
    assert aliases(client) == {"champion": "1"} and loads(composed(measured))
    assert client.get_model_version(NAME, "2").tags["checked"].startswith("failed: ")


def test_a_model_that_is_not_as_fast_as_reported_does_not_become_the_champion(
    client: MlflowClient, decided: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(round_trip, "speedup", lambda pairs: Interval(0.5, 0.49, 0.51))
    monkeypatch.setattr(Row, "interval", lambda *_: Interval(2.0, 1.9, 2.1))
    with pytest.raises(TrackError, match=r"the registered model is 0.50x \[0.49, 0.51\].*reported was 2.00x \[1.90, 2.10\]"):
        decided("decide.prefer=size")
    assert aliases(client) == {}


@pytest.mark.parametrize(
    ("what", "when"),
    [
        (decide, "search_runs"), (decide, "download_artifacts"), (page, "search_runs"),
        (page, "list_artifacts"), (page, "download_artifacts"), (page, "get_run"), (page, "get_model_version_by_alias"),
        (rollback, "get_model_version_by_alias"),
    ],
)  # fmt: skip
def test_evidence_that_can_not_be_read_is_one_line(
    measured: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    what: Callable[[Config], Any], when: str,
) -> None:  # fmt: skip
    def down(*_: object, **__: object) -> None:
        raise MlflowException("connection refused\nat some place")

    config = composed(measured, "decide.prefer=size")
    monkeypatch.setattr(MlflowClient, when, down)
    assert run_guarded(lambda: what(config) and None) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("tracking error: ") or told.endswith("connection refused"), told


@pytest.mark.parametrize("when", ["log_artifacts", "create_model_version", "set_registered_model_alias"])
def test_a_registry_that_goes_down_in_the_middle_leaves_the_champion(
    measured: Path, client: MlflowClient, crowned: str, decided: Decide, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def down(*_: object, **__: object) -> None:
        raise MlflowException("connection refused\nat some place")

    monkeypatch.setattr(MlflowClient, when, down)
    with pytest.raises(TrackError) as caught:
        decided(*SMALL)
    assert str(caught.value).endswith("connection refused") and "\n" not in str(caught.value)
    assert aliases(client) == {"champion": "1"} and loads(composed(measured))


def test_where_only_the_first_of_both_aliases_could_be_moved_it_is_moved_back(
    measured: Path, client: MlflowClient, crowned: str, decided: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decided(*SMALL) == 0 and aliases(client) == {"champion": "2", "previous": "1"}
    move = MlflowClient.set_registered_model_alias

    def moved(self: MlflowClient, name: str, alias: str, version: str) -> None:
        if alias == "champion":
            raise MlflowException("connection refused")
        move(self, name, alias, version)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", moved)
    with pytest.raises(TrackError, match="connection refused"):
        decided(*BASELINE)
    assert aliases(client) == {"champion": "2", "previous": "1"} and loads(composed(measured))


def test_two_decisions_at_once_end_with_a_champion_that_loads(measured: Path, client: MlflowClient, decided: Decide) -> None:
    settings = ["optim@baseline=baseline_onnx", *small(measured / "mlruns", measured / "toy.csv")]
    with ThreadPoolExecutor() as other:
        ended = other.submit(program, "decide", *BASELINE, *settings)
        wait_for(lambda: bool(client.search_model_versions(f"name = '{NAME}'")))  # it is loading back what it registered
        assert not ended.done() and decided(*SMALL) == ended.result().returncode == 0
    assert aliases(client) == {"champion": "2", "previous": "1"} and loads(composed(measured))


def test_through_a_server_it_is_decided_registered_and_rolled_back_in_the_same_way(
    measured: Path, client: MlflowClient, crowned: str, decided: Decide
) -> None:
    with mlflow_server(measured / "mlruns") as address:
        assert decided(*SMALL, f"track.uri={address}") == 0
        assert aliases(client) == {"champion": "2", "previous": "1"}
        rollback(composed(measured, f"track.uri={address}"))
    assert aliases(client)["champion"] == "1" and loads(composed(measured))
