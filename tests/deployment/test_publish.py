"""Publishing, against a Hub of our own: what is pushed can be loaded; what goes wrong is one line, without the token."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Backbone, Config, Weights
from pipeline.deployment.publish import check
from pipeline.deployment.serve.answers import Answerer
from pipeline.errors import PublishError
from pipeline.models.build import checkpoint, start
from pipeline.runtimes import torch_int8
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.torch import save, save_compact
from pipeline.steps.base import Context
from pipeline.steps.execute import run_steps
from pipeline.steps.store import Store
from tests.deployment.test_model_card import CARD, LABELS
from tests.support import families, instant
from tests.support.families import checkpoint_of
from tests.support.hub_standin import TOKEN, Hub, running
from tests.support.people import LOADING, PUBLISHING, Person

pytestmark = pytest.mark.slow

TEXTS = ["is it sunny", "play a song", "order a pizza, with no cheese at all!"]
FAULTS = {
    ("/repos/create", 401): "hf auth login, or set HF_TOKEN",
    ("/repos/create", 503): "try again later",
    ("/preupload/", 404): "check the name",
    ("/objects/batch", 400): "HTTP 400 (not with Bearer ...)",
    ("/storage/", 403): "write access",
    ("/commit/", 0): "no proper answer from the Hub at http://127.0.0.1:",
}
CHAPTER = f"""
import json
from transformers import pipeline

print(json.dumps(pipeline("text-classification", model="ada/tiny")({TEXTS!r})))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Hub]:
    with running() as hub:
        yield hub


@pytest.fixture(scope="module")
def ada(server: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """She publishes."""
    with Person(PUBLISHING, tmp_path_factory.mktemp("people") / "ada", server) as ada:
        yield ada


@pytest.fixture(scope="module")
def ben(server: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """He loads what is published, and has an empty cache each time."""
    with Person(LOADING, tmp_path_factory.mktemp("people") / "ben", server) as ben:
        yield ben


@pytest.fixture
def hub(server: Hub, ada: Person) -> Hub:
    """The Hub, with nothing in it."""
    for holds in (server.repositories, server.commits, server.stored, server.requests):
        holds.clear()
    server.role, server.fault, server.ada = "write", None, ada
    return server


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


def done(
    action: str, repository: str, hub: Hub, artifact: Path, token: str = TOKEN, who: Person | None = None
) -> tuple[str, str]:
    """What `check` or `publish` prints and logs in Ada's process, or another. The token is nowhere in it."""
    told = (who or hub.ada).does([action, repository, str(artifact), asdict(CARD) | {"plot": ""}, token])
    assert TOKEN not in "".join(told)
    return told


def pushed(hub: Hub, artifact: Path, repository: str = "ada/tiny") -> dict[str, bytes]:
    output, log = done("publish", repository, hub, artifact)
    assert output == f"{hub.address}/ada/tiny\n", log
    return hub.repositories["ada/tiny"]


def abstained(action: str, hub: Hub, artifact: Path, repository: str = "ada/tiny", **more: Any) -> str:
    output, log = done(action, repository, hub, artifact, **more)
    assert output.startswith(f"publish error: publish.hub={repository}: ") and output.count("\n") == 1, log
    return output


def test_the_chapters_lines_push_what_the_main_job_makes_and_load_it_back_with_the_same_labels_and_scores(
    hub: Hub, ben: Person, artifact: Path, compose: Callable[..., Config], tiny: list[str], root: Path
) -> None:
    config = compose(*tiny)  # what `make run` runs, on the tiny network
    context = Context(config.data.load(config.seed), config.backbone, config.seed)
    finetuned = run_steps(config.optim, context, Store(root)).artifact
    files = pushed(hub, Path(shutil.copytree(finetuned, artifact.parent / "distilbert")))
    assert files["comparison.png"] == b"a plot" and b'"text-classification", model="ada/tiny"' in files["README.md"]
    theirs, ours = json.loads(ben.runs(CHAPTER)), Answerer(finetuned)(TEXTS)
    assert config.optim.name == "distilbert" and [each["label"] for each in theirs] == [each.label for each in ours]
    assert [each["score"] for each in theirs] == pytest.approx([each.score for each in ours], abs=1e-6)


@pytest.mark.parametrize("family", ["roberta", "deberta-v2"])
def test_a_checkpoint_of_another_family_comes_back_from_the_hub_by_the_chapters_lines(
    family: str, hub: Hub, ben: Person, artifact: Path, tmp_path: Path
) -> None:
    own, length = checkpoint_of(family, tmp_path / "own", max_position_embeddings=66), 64
    model, tokenizer = checkpoint(own, families.LABELS, length)
    made_of_it = tmp_path / "made"
    made_of_it.mkdir()
    save(model, tokenizer, Description("torch", families.LABELS, length), made_of_it)
    files = pushed(hub, made_of_it)
    assert "handler.py" not in files and b"library_name: transformers" in files["README.md"]
    theirs = json.loads(ben.runs(CHAPTER.replace(repr(TEXTS), repr(families.TEXTS))))
    ours = Answerer(made_of_it)(families.TEXTS)
    assert [each["label"] for each in theirs] == [each.label for each in ours] and len({each.score for each in ours}) > 3
    assert [each["score"] for each in theirs] == pytest.approx([each.score for each in ours], abs=1e-6)


def test_compact_weights_are_pushed_in_the_form_that_transformers_reads(hub: Hub, artifact: Path) -> None:
    files = pushed(hub, made(artifact.parent / "compact", writer=save_compact))
    assert "weights.safetensors" not in files and "not faster" in files["README.md"].decode()
    assert files["model.safetensors"] == (artifact / "model.safetensors").read_bytes()


def test_another_runtime_takes_the_place_of_what_was_published_and_loads_as_its_card_says(
    hub: Hub, ben: Person, artifact: Path
) -> None:
    hub.repositories["ada/tiny"] = {"LICENSE": b"mine", "classifier.json": b"", "model.safetensors": b"", "old.onnx": b""}
    hub.commits["ada/tiny"] = ["before"]
    int8 = made(artifact.parent / "int8", "torch_int8", torch_int8.save)
    files = pushed(hub, int8, "tiny")
    assert set(files) == {path.name for path in int8.iterdir()} | {"handler.py", "README.md", "comparison.png", "LICENSE"}
    assert hub.commits["ada/tiny"] == ["before", "distillation, measured on toy"]
    readme = files["README.md"].decode()
    assert "library_name" not in readme and "- torch_int8\n" in readme.split("---")[1]
    code = readme.split("```python\n")[1].split("```")[0]
    best = load(int8, threads=1).logits(["a text to classify"])[0].argmax()
    assert ben.runs(code) == f"{LABELS[best]}\n"


def test_a_cascade_keeps_its_folders_takes_the_place_of_another_and_loads_as_its_card_says(
    hub: Hub, ben: Person, artifact: Path
) -> None:
    folder = artifact.parent / "cascade"
    for part, seed in (("cheap", 0), ("better", 1)):
        instant.write(folder / part, LABELS, seed=seed)
    (folder / "cascade.json").write_text('{"threshold": 0.9}')
    Description("cascade", LABELS, 64).write(folder)
    before = ("classifier.json", "model.bin", "model.xml", "better/classifier.json", "better/onnx/old.onnx")
    kept = ("notes/classes.json", "better/README.txt", "LICENSE")
    hub.repositories["ada/tiny"], hub.commits["ada/tiny"] = dict.fromkeys((*before, *kept), b""), ["before"]
    files = pushed(hub, folder)
    own = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"cheap/onnx/model.onnx", "better/onnx/model.onnx", "cascade.json"} < own
    handlers = {f"{part}handler.py" for part in ("", "cheap/", "better/")}
    assert set(files) == own | set(kept) | handlers | {"README.md", "comparison.png"}
    code = files["README.md"].decode().split("```python\n")[1].split("```")[0].replace("a text to classify", "play a song")
    best = load(folder, threads=1).logits(["play a song"])[0].argmax()
    assert ben.runs(code) == f"{LABELS[best]}\n"


def test_random_weights_are_not_published(hub: Hub, artifact: Path) -> None:
    replace(Description.read(artifact), trained=False).write(artifact)
    assert "its weights are random" in abstained("publish", hub, artifact) and not hub.repositories


def test_files_of_a_repository_in_which_nothing_was_published_stay(hub: Hub, artifact: Path) -> None:
    hub.repositories["ada/tiny"], hub.commits["ada/tiny"] = {"notes.json": b"mine"}, []
    assert pushed(hub, artifact)["notes.json"] == b"mine"


@pytest.mark.parametrize(("path", "status"), FAULTS)
def test_a_hub_that_fails_is_told_in_one_line_and_has_nothing_new(path: str, status: int, hub: Hub, artifact: Path) -> None:
    hub.fault = (path, status)
    line = abstained("publish", hub, artifact)
    assert FAULTS[path, status] in line and "the run itself is kept" in line
    assert hub.repositories.get("ada/tiny", {}).keys() <= {".gitattributes"}


def test_a_hub_that_is_not_there_is_told_in_one_line(hub: Hub, artifact: Path, tmp_path: Path) -> None:
    with Person(PUBLISHING, tmp_path / "eve", hub, HF_ENDPOINT="http://127.0.0.1:9") as eve:
        for action in ("check", "publish"):
            assert "HF_ENDPOINT" in abstained(action, hub, artifact, who=eve)


@pytest.mark.parametrize(("token", "told"), [("", "no token"), ("hf_…", "no usable token"), ("hf_expired", "HTTP 401")])
def test_a_token_that_is_none_is_told_before_any_work(token: str, told: str, hub: Hub, artifact: Path) -> None:
    line = abstained("check", hub, artifact, token=token)
    assert told in line and "expired" not in line


def test_what_can_not_be_written_to_is_told_before_any_work(hub: Hub, artifact: Path) -> None:
    with pytest.raises(PublishError, match=r"^publish error: publish\.hub=ada/tiny: HF_HUB_OFFLINE forbids it"):
        check("ada/tiny")  # tests run with it
    assert "ada, who can write to: ada, acme" in abstained("check", hub, artifact, "bob/tiny")
    hub.role = "read"
    assert "can only read" in abstained("check", hub, artifact)


def test_checking_what_is_right_says_nothing_and_changes_nothing(hub: Hub, artifact: Path) -> None:
    for repository in ("ada/tiny", "Acme/tiny", "tiny"):
        assert done("check", repository, hub, artifact)[0] == "None\n"
    assert set(hub.requests) == {"GET /api/whoami-v2"} and not hub.repositories
