"""From constraints to a champion that loads: real runs, a real registry, fresh processes; and what goes wrong on the way."""

import contextlib
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline.cli import run_guarded
from pipeline.commands.decide import decide
from pipeline.commands.page import page
from pipeline.commands.predict import champion
from pipeline.commands.rollback import rollback
from pipeline.config import Config
from pipeline.deployment import registry, round_trip
from pipeline.deployment.registry import Registry, requirements
from pipeline.deployment.serve.answers import Answerer
from pipeline.errors import TrackError, UserError
from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import Interval
from pipeline.run import run
from pipeline.runtimes.base import Description
from pipeline.tracking.artifacts import artifact_of
from pipeline.tracking.server import connect
from tests import conftest
from tests.conftest import shrunk, small, write_csv
from tests.support import loaded_back
from tests.support.forked import program
from tests.support.serving import free_port, mlflow_server
from tests.support.waiting import LIMIT_S, wait_for

pytestmark = pytest.mark.slow

NAME = "toy-tiny"
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
def decided(measured: Path) -> Decide:
    """Decide with these bounds; returns the exit code."""

    def decided(*overrides: str) -> int:
        return decide(composed(measured, *overrides))

    return decided


def aliases(client: MlflowClient) -> dict[str, str]:
    """Alias -> version."""
    models = client.search_registered_models()
    return (
        {} if not models else {alias: str(version) for alias, version in client.get_registered_model(NAME).aliases.items()}
    )


def test_what_keeps_the_constraints_is_registered_with_its_evidence_and_answers_as_it_was_measured(
    measured: Path,
    client: MlflowClient,
    decided: Decide,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "subprocess", subprocess)
    assert decided("decide.prefer=size") == 0
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
    counted = [name for each in client.search_experiments() for name in each.tags if name.startswith("confirmation.")]
    assert counted, "the test split has confirmed something"
    decision = {item.path for item in client.list_artifacts(version.run_id, "decision")}
    assert {"decision/decision.json", "decision/decision.md", "decision/comparison.png"} <= decision
    html = page(composed(measured)).read_text(encoding="utf-8")
    assert (
        "ship small" in html
        and "this is the one to report" in html
        and f"Registered as {NAME} version 1" in html
        and "champion is version 1 now" in html
        and version.run_id in html
    )
    others = re.sub(r"http://127\.0\.0\.1:5000/#/experiments/\d+/runs/[0-9a-f]{32}", "", html)
    assert not re.search(r"https?://|src=|url\(|@import", others), "it loads nothing"


def test_the_program_predicts_with_the_champion_from_words_files_and_standard_input(
    measured: Path, client: MlflowClient, decided: Decide, tmp_path: Path
) -> None:
    settings = small(measured / "mlruns", measured / "toy.csv")
    nobody = program("predict", "rain", "--", *settings)
    assert nobody.returncode == 2 and nobody.stderr.startswith("tracking error: toy/tiny has no champion yet")
    assert decided("decide.prefer=size") == 0
    texts = ["rain tomorrow", "play a song, please", "order a pizza"]
    expected = Answerer(champion(settings, tmp_path))(texts)
    command = [sys.executable, "-m", "pipeline", "predict"]
    words = subprocess.run([*command, *texts, "--", *settings], capture_output=True, text=True)
    assert [json.loads(line) for line in words.stdout.splitlines()] == [
        {"text": text, "label": said.label, "score": round(said.score, 4), "abstained": said.abstained}
        for text, said in zip(texts, expected, strict=True)
    ], words.stderr
    (tmp_path / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    model = str(next(tmp_path.rglob("classifier.json")).parent)
    lines = program("predict", "--file", str(tmp_path / "texts.txt"), "--format", "csv", "--model", model)
    rows = list(csv.DictReader(lines.stdout.splitlines()))
    assert [(row["text"], row["label"]) for row in rows] == [
        (text, said.label) for text, said in zip(texts, expected, strict=True)
    ]
    many = tmp_path / "many.txt"
    many.write_text("\n".join(f"{text} {number}" for number in range(40) for text in texts), encoding="utf-8")
    alone, together = (program("predict", "--file", str(many), "--model", model, *more) for more in ([], ["--workers", "2"]))
    assert alone.stdout == together.stdout and together.stdout.count("\n") == 120 and together.returncode == 0
    assert "answering: " in together.stderr and "120" in together.stderr
    many.write_text("rain tomorrow\n" * 5000, encoding="utf-8")
    more = [*command, "--file", str(many), "--model", model, "--workers", "2"]
    with subprocess.Popen(more, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as cut_short:
        assert cut_short.stdout is not None and cut_short.stderr is not None
        assert "rain tomorrow" in cut_short.stdout.readline()
        cut_short.stdout.close()  # as head -1 does
        assert "Error" not in cut_short.stderr.read(), "it ends when the workers have ended too"
        assert cut_short.wait(LIMIT_S) == 0
    piped = program("predict", "--model", model, stdin=f"{texts[1]}\n\n")
    assert [json.loads(line)["text"] for line in piped.stdout.splitlines()] == [texts[1], ""], "a line for each line"
    mistakes = (["--model", str(tmp_path)], ["--file", str(tmp_path / "nowhere"), "--model", model])
    at_odds = (
        ["--threads", "0", "rain"],
        ["--workers", "2", "rain"],
        ["--file", "x", "rain"],
        ["--model", model, "rain", "--", "data=toy"],
        ["--nosuch"],
    )
    for wrong in (*mistakes, *at_odds, ["--model", model, os.fsdecode(b"\xff")]):
        mistake = program("predict", *wrong)
        assert mistake.returncode == 2 and mistake.stderr.startswith("config error: ") and mistake.stderr.count("\n") == 1
    if (full := Path("/dev/full")).exists():
        with full.open("w") as output:
            done = subprocess.run([*command, "--model", model, "rain"], stdout=output, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 2 and done.stderr == "standard output: No space left on device\n"


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
    measured: Path, client: MlflowClient, decided: Decide, capsys: pytest.CaptureFixture[str]
) -> None:
    config = composed(measured)
    assert decided(*SMALL) == 0
    with pytest.raises(TrackError, match="no previous champion"):
        rollback(config)
    assert decided(*BASELINE) == 0 and aliases(client) == {"champion": "2", "previous": "1"}
    assert client.get_model_version(NAME, "2").tags["optim"] == "baseline_onnx"
    rollback(config)
    assert aliases(client) == {"champion": "1", "previous": "2"}
    assert "version 1 is the champion again" in capsys.readouterr().out
    place(client, "2").joinpath("model.onnx").write_bytes(b"")
    with pytest.raises(TrackError, match="models:/toy-tiny/2 can't be loaded"):
        rollback(config)
    assert aliases(client) == {"champion": "1", "previous": "2"} and loads(measured)


def test_what_is_the_champion_already_is_not_registered_again_unless_it_was_damaged(
    measured: Path, client: MlflowClient, decided: Decide
) -> None:
    assert decided(*SMALL) == 0 and decided(*SMALL) == 0 and aliases(client) == {"champion": "1"}
    place(client, "1").joinpath("model.onnx").write_bytes(b"")
    assert (
        decided(*SMALL) == 0 and aliases(client) == {"champion": "2"} and loads(measured)
    )  # what is damaged is no way back


def place(client: MlflowClient, number: str) -> Path:
    """A version's artifact directory, in the registry."""
    source = str(client.get_model_version(NAME, number).source)
    return Path(source.removeprefix("file://")) / "artifacts" / "classifier"


def registry_of(measured: Path) -> Registry:
    return Registry(connect(composed(measured).track), "toy/tiny")


def loads(measured: Path) -> bool:
    """Whether the champion does: it is fetched from the registry and answers."""
    registry = registry_of(measured)
    with tempfile.TemporaryDirectory() as folder:
        artifact = registry.fetch(str(registry.version_of("champion")), Path(folder))
        return len(Answerer(artifact)(["rain", "a song"])) == 2


@pytest.fixture
def crowned(measured: Path, client: MlflowClient) -> str:
    """The baseline as the champion, version 1, put there by hand."""
    experiment = client.get_experiment_by_name("toy/tiny").experiment_id
    (run,) = client.search_runs([experiment], "tags.role = 'baseline'")
    artifact = artifact_of(client, run, measured / "mlruns", measured / "nowhere")
    number = registry_of(measured).register(
        run.info.run_id, artifact, {"threads": 1, "batch_size": 32}, {"optim": "baseline_onnx"}
    )
    registry_of(measured).promote(number)
    return number


def swap_labels(artifact: Path) -> None:
    file = artifact / "classifier.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"labels": told["labels"][::-1]}))


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (lambda artifact: (artifact / "model.onnx").write_bytes(b"x"), "can't be loaded"),
        (swap_labels, r"answers \d+ of \d+ texts otherwise than measured; the champion stays"),
        (lambda artifact: shutil.rmtree(artifact.parents[1] / "code"), "registered without its code|can't be loaded"),
    ],
)
def test_what_was_damaged_on_the_way_to_the_registry_does_not_become_the_champion(
    measured: Path,
    client: MlflowClient,
    crowned: str,
    decided: Decide,
    monkeypatch: pytest.MonkeyPatch,
    how: Callable[[Path], object],
    why: str,
) -> None:
    add = Registry.register

    def added(self: Registry, *arguments: Any) -> str:
        number = add(self, *arguments)
        how(place(client, number))
        return number

    monkeypatch.setattr(Registry, "register", added)
    with pytest.raises(TrackError, match=why):
        decided(*SMALL)
    assert aliases(client) == {"champion": "1"} and loads(measured)
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
    assert aliases(client) == {"champion": "1"} and loads(measured)


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
    assert aliases(client) == {"champion": "2", "previous": "1"} and loads(measured)


def test_two_decisions_at_once_end_with_a_champion_that_loads(measured: Path, client: MlflowClient) -> None:
    settings = ["optim@baseline=baseline_onnx", *small(measured / "mlruns", measured / "toy.csv")]
    with ThreadPoolExecutor() as both:
        ended = list(both.map(lambda pick: program("decide", *pick, *settings), (SMALL, BASELINE)))
    assert [process.returncode for process in ended] == [0, 0], ended
    assert aliases(client) == {"champion": "2", "previous": "1"} and loads(measured)


def test_through_a_server_it_is_decided_registered_and_rolled_back_in_the_same_way(
    measured: Path, client: MlflowClient, decided: Decide, capsys: pytest.CaptureFixture[str]
) -> None:
    with mlflow_server(measured / "mlruns") as address:
        assert decided(*SMALL, f"track.uri={address}") == decided(*BASELINE, f"track.uri={address}") == 0
        assert aliases(client) == {"champion": "2", "previous": "1"}
        rollback(composed(measured, f"track.uri={address}"))
    assert aliases(client)["champion"] == "1" and loads(measured)


def test_the_champion_is_served_over_http_by_mlflow(
    measured: Path, client: MlflowClient, decided: Decide, tmp_path: Path
) -> None:
    assert decided("decide.prefer=size") == 0
    port = free_port()
    place = {"MLFLOW_TRACKING_URI": f"sqlite:///{measured / 'mlruns' / 'mlflow.db'}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        f"models:/{NAME}@champion",
        "--env-manager",
        "local",
        "-p",
        str(port),
    ]
    server = subprocess.Popen(
        [sys.executable, *command, "-h", "127.0.0.1"], env=os.environ | place | {"PATH": path}, cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{address}/ping"))
        body = json.dumps({"inputs": ["play a song"]}).encode()
        request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            said = json.load(answer)["predictions"]
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    (expected,) = Answerer(champion(small(measured / "mlruns", measured / "toy.csv"), tmp_path))(["play a song"])
    assert said == [{"label": expected.label, "score": pytest.approx(expected.score), "abstained": expected.abstained}]


def answers(address: str) -> bool:
    with contextlib.suppress(OSError):
        urllib.request.urlopen(address, timeout=5).close()
        return True
    return False


def test_a_served_model_needs_only_what_its_runtime_needs(tmp_path: Path) -> None:
    def names(runtime: str) -> list[str]:
        Description(runtime, ["a", "b"], 8).write(tmp_path)
        return [each.partition("==")[0] for each in requirements(tmp_path)]

    assert names("onnx") == ["mlflow", "numpy", "tokenizers", "onnxruntime"]
    assert "torch" in names("torch_int8") and names("tfidf") == ["mlflow", "numpy", "safetensors"]
    heavy = {"torch", "transformers", "hydra", "mlflow", "datasets"}
    code = f"import sys, pipeline.deployment.serve.answers; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
