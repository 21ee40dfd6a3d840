"""Publishing, against a Hub of our own: what is pushed can be loaded; what goes wrong is one line, without the token."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config import Backbone, Config, Weights
from pipeline.deployment.publish import Card, check, model_card
from pipeline.deployment.serve.answers import Answerer
from pipeline.errors import PublishError
from pipeline.evaluation.latency.process import ROOT
from pipeline.models.build import start
from pipeline.runtimes import torch_int8
from pipeline.runtimes.base import Description, PublishedForm, load
from pipeline.runtimes.torch import save, save_compact
from pipeline.steps.base import Context
from pipeline.steps.execute import run_steps
from pipeline.steps.store import Store
from tests.support import instant
from tests.support.hub_standin import TOKEN, Hub, running
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.slow

LABELS = ["weather", "music", "food"]
TEXTS = ["is it sunny", "play a song", "order a pizza, with no cheese at all!"]
CARD = Card(
    optim="distillation", data="toy", backbone="tiny", steps=("distill", "prune"), plot=Path("comparison.png"),
    table_markdown="| optimization | accuracy % |\n| --- | ---: |\n| distillation | 91.5 |",
    metrics={"quality/accuracy": 0.915}, labels=tuple(LABELS), base_models=("google-bert/bert-base-uncased",),
)  # fmt: skip
FAULTS = {
    ("/repos/create", 401): "hf auth login, or set HF_TOKEN",
    ("/repos/create", 503): "try again later",
    ("/preupload/", 404): "check the name",
    ("/objects/batch", 400): "HTTP 400 (not with Bearer ...)",
    ("/storage/", 403): "write access",
    ("/commit/", 0): "no proper answer from the Hub at http://127.0.0.1:",
}
ACTION = """
import json, logging, os, sys
from pathlib import Path
from pipeline.errors import UserError
from pipeline.deployment.publish import Card, check, upload

logging.basicConfig(level=logging.DEBUG)
for line in sys.stdin:
    action, repository, artifact, card, os.environ["HF_TOKEN"] = json.loads(line)
    card = Card(**card | {"plot": Path(artifact).parent / "comparison.png"})
    try:
        print(check(repository) if action == "check" else upload(Path(artifact), repository, card), flush=True)
    except UserError as error:
        logging.exception("with its traceback")
        print(error, flush=True)
"""
CHAPTER = """
import json, sys
from transformers import pipeline

print(json.dumps(pipeline("text-classification", model="ada/tiny")(json.loads(sys.argv[1]))))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Hub]:
    with running() as hub:
        yield hub


@pytest.fixture
def hub(server: Hub, ada: "Ada") -> Hub:
    """The Hub, with nothing in it."""
    for holds in (server.repositories, server.commits, server.stored, server.requests):
        holds.clear()
    server.role, server.fault, server.ada = "write", None, ada
    return server


@pytest.fixture(scope="module")
def ada(server: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Ada"]:
    folder = tmp_path_factory.mktemp("ada")
    with Ada(folder / "log", environment(folder / "home", server)) as ada:
        yield ada


class Ada:
    """A process of hers, with an empty cache at first, in which one thing is done after the other."""

    def __init__(self, log: Path, env: dict[str, str]) -> None:
        self._log, pipe = log, subprocess.PIPE
        with log.open("w") as file:
            command = [sys.executable, "-c", ACTION]
            self._process = subprocess.Popen(command, env=env, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=file, text=True)

    def does(self, line: str) -> tuple[str, str]:
        """What is printed, which is one line, and what is logged."""
        assert self._process.stdin is not None and self._process.stdout is not None
        before = self._log.stat().st_size
        self._process.stdin.write(line)
        self._process.stdin.flush()
        return self._process.stdout.readline(), self._log.read_bytes()[before:].decode()

    def __enter__(self) -> "Ada":
        return self

    def __exit__(self, *_: object) -> None:
        rest = self._process.communicate(timeout=LIMIT_S)[0]
        assert not rest, "it printed more"


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    (tmp_path / "comparison.png").write_bytes(b"a plot")
    return made(tmp_path / "artifact")


def made(directory: Path, runtime: str = "torch", writer: Any = save) -> Path:
    """A small classifier with random weights; always the same."""
    directory.mkdir()
    model, tokenizer = start(Backbone(name="tiny", teacher=Weights(random=True)), "teacher", LABELS, 1)
    if runtime == "torch_int8":
        torch_int8.quantize(model.eval(), per_channel=True)
    writer(model, tokenizer, Description(runtime, LABELS, 64), directory)
    return directory


def environment(home: Path, hub: Hub, **settings: str) -> dict[str, str]:
    """Of a process of Ada's. HF_ENDPOINT leads it to our Hub, which has no Xet storage."""
    others = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    own = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": TOKEN}
    return others | own | {"HF_HOME": str(home), "HF_ENDPOINT": hub.address} | settings


def fresh(code: str, *arguments: str, home: Path, hub: Hub, **settings: str) -> subprocess.CompletedProcess[str]:
    """A new process of Ada's with an empty cache; the first argument is its input too."""
    env, first = environment(home, hub, **settings), "".join(arguments[:1])
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, input=first)


def done(action: str, repository: str, hub: Hub, artifact: Path, token: str = TOKEN, **settings: str) -> tuple[str, str]:
    """What `check` or `publish` prints and logs; in a fresh process where there are settings. The token is nowhere in it."""
    line = json.dumps([action, repository, str(artifact), asdict(CARD) | {"plot": ""}, token]) + "\n"
    if settings:
        ended = fresh(ACTION, line, home=artifact.parent / "home", hub=hub, **settings)
        assert ended.returncode == 0, ended.stderr
        told = ended.stdout, ended.stderr
    else:
        told = hub.ada.does(line)
    assert TOKEN not in "".join(told)
    return told


def pushed(hub: Hub, artifact: Path, repository: str = "ada/tiny") -> dict[str, bytes]:
    output, log = done("publish", repository, hub, artifact)
    assert output == f"{hub.address}/ada/tiny\n", log
    return hub.repositories["ada/tiny"]


def abstained(action: str, hub: Hub, artifact: Path, repository: str = "ada/tiny", **settings: str) -> str:
    output, log = done(action, repository, hub, artifact, **settings)
    assert output.startswith(f"publish error: publish.hub={repository}: ") and output.count("\n") == 1, log
    return output


def test_the_chapters_lines_push_what_the_main_job_makes_and_load_it_back_with_the_same_labels_and_scores(
    hub: Hub, artifact: Path, compose: Callable[..., Config], tiny: list[str], root: Path
) -> None:
    config = compose(*tiny)  # what `make run` runs, on the tiny network
    context = Context(config.data.load(config.seed), config.backbone, config.seed)
    finetuned = run_steps(config.optim, context, Store(root)).artifact
    files = pushed(hub, Path(shutil.copytree(finetuned, artifact.parent / "distilbert")))
    assert files["comparison.png"] == b"a plot" and b'"text-classification", model="ada/tiny"' in files["README.md"]
    ended = fresh(CHAPTER, json.dumps(TEXTS), home=artifact.parent / "another", hub=hub)
    theirs, ours = json.loads(ended.stdout), Answerer(finetuned)(TEXTS)
    assert config.optim.name == "distilbert" and [each["label"] for each in theirs] == [each.label for each in ours]
    assert [each["score"] for each in theirs] == pytest.approx([each.score for each in ours], abs=1e-6)


def test_compact_weights_are_pushed_in_the_form_that_transformers_reads(hub: Hub, artifact: Path) -> None:
    files = pushed(hub, made(artifact.parent / "compact", writer=save_compact))
    assert "weights.safetensors" not in files and "not faster" in files["README.md"].decode()
    assert files["model.safetensors"] == (artifact / "model.safetensors").read_bytes()


def test_another_runtime_takes_the_place_of_what_was_published_and_loads_as_its_card_says(hub: Hub, artifact: Path) -> None:
    hub.repositories["ada/tiny"] = {"LICENSE": b"mine", "classifier.json": b"", "model.safetensors": b"", "old.onnx": b""}
    hub.commits["ada/tiny"] = ["before"]
    int8 = made(artifact.parent / "int8", "torch_int8", torch_int8.save)
    files = pushed(hub, int8, "tiny")
    assert set(files) == {path.name for path in int8.iterdir()} | {"README.md", "comparison.png", "LICENSE"}
    assert hub.commits["ada/tiny"] == ["before", "distillation, measured on toy"]
    readme = files["README.md"].decode()
    assert "library_name" not in readme and "- torch_int8\n" in readme.split("---")[1]
    code = readme.split("```python\n")[1].split("```")[0]
    ended = fresh(code, home=artifact.parent / "another", hub=hub)
    best = load(int8, threads=1).logits(["a text to classify"])[0].argmax()
    assert ended.stdout == f"{LABELS[best]}\n", ended.stderr


def test_a_cascade_keeps_its_folders_takes_the_place_of_another_and_loads_as_its_card_says(hub: Hub, artifact: Path) -> None:
    folder = artifact.parent / "cascade"
    for part, seed in (("cheap", 0), ("better", 1)):
        instant.write(folder / part, LABELS, seed=seed)
    (folder / "cascade.json").write_text('{"threshold": 0.9}')
    Description("cascade", LABELS, 64).write(folder)
    before = ("classifier.json", "model.bin", "model.xml", "better/classifier.json", "better/model.pt2", "better/old.onnx")
    kept = ("notes/classes.json", "better/README.txt", "LICENSE")
    hub.repositories["ada/tiny"], hub.commits["ada/tiny"] = dict.fromkeys((*before, *kept), b""), ["before"]
    files = pushed(hub, folder)
    own = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"cheap/model.onnx", "better/model.onnx", "cascade.json"} < own
    assert set(files) == own | set(kept) | {"README.md", "comparison.png"}
    code = files["README.md"].decode().split("```python\n")[1].split("```")[0].replace("a text to classify", "play a song")
    ended = fresh(code, home=artifact.parent / "another", hub=hub)
    best = load(folder, threads=1).logits(["play a song"])[0].argmax()
    assert ended.stdout == f"{LABELS[best]}\n", ended.stderr


def test_random_weights_are_not_published(hub: Hub, artifact: Path) -> None:
    replace(Description.read(artifact), trained=False).write(artifact)
    assert "its weights are random" in abstained("publish", hub, artifact) and not hub.repositories


def test_files_of_a_repository_in_which_nothing_was_published_stay(hub: Hub, artifact: Path) -> None:
    hub.repositories["ada/tiny"], hub.commits["ada/tiny"] = {"notes.json": b"mine"}, []
    assert pushed(hub, artifact)["notes.json"] == b"mine"


def test_the_card_has_the_hubs_metadata_the_table_the_steps_and_no_password() -> None:
    _, front, body = model_card("ada/tiny", Description("torch", LABELS, 8), PublishedForm.STANDARD, CARD).split("---\n", 2)
    data = yaml.safe_load(front)
    assert (data["library_name"], data["pipeline_tag"]) == ("transformers", "text-classification")
    assert data["base_model"] == ["google-bert/bert-base-uncased"] and data["metrics"] == ["accuracy"]
    result = data["model-index"][0]["results"][0]
    assert result["dataset"]["name"] == "toy" and result["metrics"] == [
        {"type": "accuracy", "value": 0.915, "name": "accuracy"}
    ]
    assert result["dataset"]["split"] == "test"
    for part in (CARD.table_markdown, "1. distill\n2. prune\n", "![accuracy over latency](comparison.png)"):
        assert part in body


def test_the_card_says_how_a_decision_rule_is_applied() -> None:
    rule = {"temperature": 2.0, "oos_score": "energy", "threshold": 1.0}
    described = [Description("torch", LABELS, 8, 0, decision=decision) for decision in (None, rule)]
    card = replace(CARD, metrics={**CARD.metrics, "argmax/accuracy": 0.881})
    plain, ruled = (model_card("ada/tiny", description, PublishedForm.STANDARD, card) for description in described)
    assert "accuracy without the decision rule 88.1%, accuracy with the decision rule 91.5%" in ruled
    assert "On the test split, of these weights: accuracy 91.5%." in plain
    stated = yaml.safe_load(ruled.split("---\n", 2)[1])["model-index"][0]["results"][0]["metrics"]
    assert [one["value"] for one in stated] == [0.881, 0.915] and "without" in stated[0]["name"]
    assert "not by transformers" in ruled and "Answerer" in ruled and "text-classification" in ruled
    assert "Answerer" not in plain


@pytest.mark.parametrize(("path", "status"), FAULTS)
def test_a_hub_that_fails_is_told_in_one_line_and_has_nothing_new(path: str, status: int, hub: Hub, artifact: Path) -> None:
    hub.fault = (path, status)
    line = abstained("publish", hub, artifact)
    assert FAULTS[path, status] in line and "the run itself is kept" in line
    assert hub.repositories.get("ada/tiny", {}).keys() <= {".gitattributes"}


def test_a_hub_that_is_not_there_is_told_in_one_line(hub: Hub, artifact: Path) -> None:
    for action in ("check", "publish"):
        assert "HF_ENDPOINT" in abstained(action, hub, artifact, HF_ENDPOINT="http://127.0.0.1:9")


@pytest.mark.parametrize("repository", ["", "a/b/c", "ada/", "ada/a b", "ada/über", "-a", "ada/a--b", "ada/x.git", "a" * 97])
def test_a_name_that_the_hub_would_not_take_is_told(repository: str) -> None:
    with pytest.raises(PublishError, match=r"^publish error: publish.hub=.*: must be user/name"):
        check(repository)


@pytest.mark.parametrize(("token", "told"), [("", "no token"), ("hf_…", "no usable token"), ("hf_expired", "HTTP 401")])
def test_a_token_that_is_none_is_told_before_any_work(token: str, told: str, hub: Hub, artifact: Path) -> None:
    line = abstained("check", hub, artifact, token=token)
    assert told in line and "expired" not in line


def test_what_can_not_be_written_to_is_told_before_any_work(hub: Hub, artifact: Path) -> None:
    assert "HF_HUB_OFFLINE" in abstained("check", hub, artifact, HF_HUB_OFFLINE="1")
    assert "ada, who can write to: ada, acme" in abstained("check", hub, artifact, "bob/tiny")
    hub.role = "read"
    assert "can only read" in abstained("check", hub, artifact)


def test_checking_what_is_right_says_nothing_and_changes_nothing(hub: Hub, artifact: Path) -> None:
    for repository in ("ada/tiny", "Acme/tiny", "tiny"):
        assert done("check", repository, hub, artifact)[0] == "None\n"
    assert set(hub.requests) == {"GET /api/whoami-v2"} and not hub.repositories
