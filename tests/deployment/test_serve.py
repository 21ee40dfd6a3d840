"""The champion answers: the command predict on words, files and standard input, and MLflow's server over HTTP."""

import contextlib
import csv
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from mlflow.models.flavor_backend_registry import get_flavor_backend

from pipeline.cli import dispatch, run_guarded
from pipeline.commands import export
from pipeline.commands.predict import champion
from pipeline.config import Track
from pipeline.deployment.handler import compose
from pipeline.deployment.registry import Registry, requirements
from pipeline.deployment.serve.answers import Answerer
from pipeline.errors import UserError
from pipeline.runtimes.base import Description
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect
from tests.conftest import small
from tests.support import instant
from tests.support.forked import program
from tests.support.serving import free_port
from tests.support.waiting import LIMIT_S, wait_for

pytestmark = pytest.mark.slow

NAME = "toy-tiny"
TEXTS = ["rain tomorrow", "play a song, please", "order a pizza"]
PREDICT = [sys.executable, "-m", "pipeline", "predict"]


@pytest.fixture
def settings(root: Path, toy_csv: Path) -> list[str]:
    """Overrides that name an experiment which has no champion."""
    return small(root, toy_csv)


@pytest.fixture
def crowned(settings: list[str], root: Path, tmp_path: Path) -> Answerer:
    """The champion of that experiment, as it answers when it is fetched from the registry."""
    connection = connect(Track(root=str(root)))
    tracker = Tracker(connection, "toy/tiny")
    run_id = tracker.client.create_run(tracker.experiment_id).info.run_id
    artifact = instant.write(tmp_path / "instant", ["weather", "music", "food"])
    registry = Registry(connection, "toy/tiny")
    registry.promote(registry.register(run_id, artifact, {"threads": 1, "batch_size": 32}, {}))
    return Answerer(champion(settings, tmp_path))


def test_the_program_predicts_with_the_champion_from_words(settings: list[str], request: pytest.FixtureRequest) -> None:
    nobody = program("predict", "rain", "--", *settings)
    assert nobody.returncode == 2 and nobody.stderr.startswith("tracking error: toy/tiny has no champion yet")
    expected = request.getfixturevalue("crowned")(TEXTS)
    words = program("predict", *TEXTS, "--", *settings)
    assert [json.loads(line) for line in words.stdout.splitlines()] == [
        {"text": text, "label": said.label, "score": round(said.score, 4), "abstained": said.abstained}
        for text, said in zip(TEXTS, expected, strict=True)
    ], words.stderr


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An artifact directory."""
    return str(instant.write(tmp_path_factory.mktemp("model") / "instant", ["weather", "music", "food"]))


def test_files_and_standard_input_are_answered_line_by_line_by_one_process_or_several(model: str, tmp_path: Path) -> None:
    expected = Answerer(Path(model))(TEXTS)
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    lines = program("predict", "--file", str(tmp_path / "texts.txt"), "--format", "csv", "--model", model)
    rows = list(csv.DictReader(lines.stdout.splitlines()))
    assert [(row["text"], row["label"]) for row in rows] == [
        (text, said.label) for text, said in zip(TEXTS, expected, strict=True)
    ]
    many = tmp_path / "many.txt"
    many.write_text("\n".join(f"{text} {number}" for number in range(40) for text in TEXTS), encoding="utf-8")
    alone, together = (program("predict", "--file", str(many), "--model", model, *more) for more in ([], ["--workers", "2"]))
    assert alone.stdout == together.stdout and together.stdout.count("\n") == 120 and together.returncode == 0
    assert "answering: " in together.stderr and "120" in together.stderr
    piped = program("predict", "--model", model, stdin=f"{TEXTS[1]}\n\n")
    assert [json.loads(line)["text"] for line in piped.stdout.splitlines()] == [TEXTS[1], ""], "a line for each line"


def test_a_reader_that_ends_before_all_is_told_ends_it_too_and_a_full_disk_is_one_line(model: str, tmp_path: Path) -> None:
    many = tmp_path / "many.txt"
    many.write_text("rain tomorrow\n" * 5000, encoding="utf-8")
    more = [*PREDICT, "--file", str(many), "--model", model, "--workers", "2"]
    with subprocess.Popen(more, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as cut_short:
        assert cut_short.stdout is not None and cut_short.stderr is not None
        assert "rain tomorrow" in cut_short.stdout.readline()
        cut_short.stdout.close()  # as head -1 does
        assert "Error" not in cut_short.stderr.read(), "it ends when the workers have ended too"
        assert cut_short.wait(LIMIT_S) == 0
    if (full := Path("/dev/full")).exists():
        with full.open("w") as output:
            done = subprocess.run([*PREDICT, "--model", model, "rain"], stdout=output, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 2 and done.stderr == "standard output: No space left on device\n"


def test_mistakes_are_one_line(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mistakes = (["--model", str(tmp_path)], ["--file", str(tmp_path / "nowhere"), "--model", model])
    at_odds = (
        ["--threads", "0", "rain"],
        ["--workers", "2", "rain"],
        ["--file", "x", "rain"],
        ["--model", model, "rain", "--", "data=toy"],
        ["--nosuch"],
    )
    for wrong in (*mistakes, *at_odds, ["--model", model, os.fsdecode(b"\xff")]):
        code = run_guarded(partial(dispatch, ["predict", *wrong]))
        told = capsys.readouterr().err
        assert code == 2 and told.startswith(("config error: ", "data error: ")) and told.count("\n") == 1, told


def test_the_champion_is_exported_with_a_server(
    settings: list[str], crowned: Answerer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "exported"
    export.main(["champion", str(folder), "--docker", *settings])
    told = capsys.readouterr().out
    form = (
        "Optimum, transformers.js and plain ONNX Runtime load it as it is; handler.py needs numpy, tokenizers, onnxruntime"
    )
    assert told.startswith(f"written to {folder}: {form}\nimage: about ")
    assert {"Dockerfile", "server.py", "requirements.txt", "handler.py", "README.md"} < {
        path.name for path in folder.iterdir()
    }
    found = compose.load(folder)({"inputs": TEXTS})
    assert [each["label"] for each in found] == [each.label for each in crowned(TEXTS)]
    for words, why in (
        (["champion", str(folder)], "it is not an empty directory"),
        (["champion"], "name a run, an optimization or champion, then a directory"),
        (["previous", str(tmp_path / "new")], "has no previous yet"),
        (["distilbrt", str(tmp_path / "new")], "did you mean distilbert"),
    ):
        with pytest.raises(UserError, match=why):
            export.main([*words, *settings])
    assert not (tmp_path / "new").exists()


@pytest.fixture
def address(crowned: Answerer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where `mlflow models serve --env-manager local` serves the champion; what it does first is done in this process."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    port, uri = free_port(), f"models:/{NAME}@champion"
    how = {"synchronous": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = get_flavor_backend(uri, env_manager="local").serve(uri, port, "127.0.0.1", 60, **how)
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/ping"), server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def test_the_champion_is_served_over_http_by_mlflow(address: str, crowned: Answerer) -> None:
    body = json.dumps({"inputs": ["play a song"]}).encode()
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
        said = json.load(answer)["predictions"]
    (expected,) = crowned(["play a song"])
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
