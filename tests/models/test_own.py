"""A fine-tuned checkpoint of one's own: the names of its outputs, more labels than the data has, SetFit's head."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from pipeline.config import Backbone, Weights
from pipeline.data.splits import RawSplit, SplitFractions, Splits, assemble
from pipeline.models.build import checkpoint, start
from pipeline.models.checkpoints import identity
from pipeline.models.outputs import with_those_of_the_checkpoint
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.torch import save, unknown_parts
from pipeline.steps.base import Context
from pipeline.steps.finetune import Finetune
from tests.models.test_build import IDS, TINY, bert, problem, saved
from tests.support.families import TEXTS, checkpoint_of, network

NAMES = ["c", "a", "b"]
UNNAMED = {"id2label": {number: f"LABEL_{number}" for number in range(3)}, "label2id": {"LABEL_0": 0}}


def unnamed(directory: Path) -> tuple[Any, Path]:
    """A checkpoint whose outputs have no names."""
    model = bert(2)
    for key, value in UNNAMED.items():
        setattr(model.config, key, value)
    return model, saved(directory, model)


def splits_of(*labels: str) -> Splits:
    """Six rows a label, with test texts alone."""
    import pyarrow as pa

    rows = [(f"text {number} {label}", label) for label in labels for number in range(6)]
    columns = [pa.array(column, pa.large_string()) for column in zip(*rows, strict=True)]
    return assemble({"test": RawSplit(pa.table(columns, ["text", "label"]), "x.csv")}, None, SplitFractions(0.3, 0.2, 0))


def own(directory: Path) -> Backbone:
    return Backbone("own", teacher=Weights(pooling="auto"), student=Weights(from_teacher=True), model=str(directory))


def test_outputs_without_names_get_the_given_ones_or_those_of_the_data_in_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, directory = unnamed(tmp_path)
    with torch.no_grad():
        logits = model(IDS).logits
        by_order, _ = checkpoint(directory, ["a", "b", "c"])
        assert torch.allclose(by_order(IDS).logits, logits, atol=1e-6)
        assert "LABEL_0 is 'a', LABEL_1 is 'b', LABEL_2 is 'c'; data.label_names" in caplog.text
        named, _ = checkpoint(directory, ["a", "b", "c"], label_names=NAMES)
        assert torch.allclose(named(IDS).logits, logits[:, [1, 2, 0]], atol=1e-6)
    assert named.config.id2label == by_order.config.id2label == {0: "a", 1: "b", 2: "c"}
    for labels, names in ((["a", "b"], []), (["a", "b", "c"], ["a", "b"])):
        line = problem(lambda labels=labels, names=names: checkpoint(directory, labels, label_names=names))  # type: ignore[misc]  # lambda default
        assert "3 outputs are called LABEL_0, ..., and" in line and "data.label_names=[...]" in line
    line = problem(lambda: checkpoint(saved(tmp_path / "named", bert(2)), ["0", "1", "2"]))
    assert "data.label_names=[a,b,c]" in line and "backbone.finetuned=false" in line


def test_labels_that_only_the_checkpoint_has_stay_possible_answers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = bert(2)
    backbone = own(saved(tmp_path, model))
    before = splits_of("c", "a")
    with caplog.at_level("INFO"):
        after = with_those_of_the_checkpoint(backbone, before)
    assert after.labels == ("a", "c", "b") and after.test.features["label"].names == ["a", "c", "b"]
    assert after.test["label"] == before.test["label"] and after.content_hash != before.content_hash
    assert "1 of the checkpoint's 3 labels have no text in the data" in caplog.text and "b" in after.notes[-1]
    loaded, _ = checkpoint(tmp_path, after.labels)
    with torch.no_grad():
        assert torch.allclose(loaded.eval()(IDS).logits, model(IDS).logits[:, [0, 2, 1]], atol=1e-6)
    assert with_those_of_the_checkpoint(backbone, after) is after
    other = splits_of("x", "y")
    assert with_those_of_the_checkpoint(backbone, other) is other, "it is refused when it is read"
    context = Context(after, replace(backbone, max_length=16), 0)
    assert Finetune("finetune").inputs(context) != Finetune("finetune").inputs(
        replace(context, splits=replace(after, label_names=tuple(NAMES)))
    )


def setfit(directory: Path, family: str, weight: np.ndarray, modules: list[str]) -> Path:
    """A folder of SetFit whose head is written as tensors."""
    checkpoint_of(family, directory)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"architectures": ["BertModel"]}))
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}')
    found = [{"path": "1_Pooling" if each == "Pooling" else "", "type": f"st.models.{each}"} for each in modules]
    (directory / "modules.json").write_text(json.dumps(found))
    (directory / "config_setfit.json").write_text('{"labels": ["no", "yes", "maybe"]}')
    (directory / "model_head.pkl").write_bytes(b"never read")
    head = {"weight": weight, "bias": np.linspace(-1, 1, len(weight)).astype(np.float32)}
    save_file(head, directory / "model_head.safetensors", {"classes": json.dumps([0, 1, 2][: max(2, len(weight))])})
    return directory


@pytest.mark.parametrize(("family", "rows", "normalized"), [("bert", 3, False), ("mpnet", 1, True)])
def test_a_folder_of_setfit_answers_as_its_regression_does(family: str, rows: int, normalized: bool, tmp_path: Path) -> None:
    weight = np.random.default_rng(0).normal(size=(rows, 32)).astype(np.float32)
    modules = ["Transformer", "Pooling", *["Normalize"] * normalized]
    directory = setfit(tmp_path / "it", family, weight, modules)
    labels = ["maybe", "no", "yes"][3 - max(2, rows) :]
    model, tokenizer = checkpoint(directory, labels, 16)
    encoded = tokenizer(TEXTS, padding=True, return_tensors="pt", truncation=True, max_length=16)
    with torch.no_grad():
        found = model.eval()(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]).logits
        states = network(family).base_model(encoded["input_ids"], encoded["attention_mask"]).last_hidden_state
    mask = encoded["attention_mask"][..., None]
    vectors = (states * mask).sum(1) / mask.sum(1)
    vectors = torch.nn.functional.normalize(vectors, dim=1) if normalized else vectors
    logits = vectors @ torch.from_numpy(weight).T + torch.linspace(-1, 1, rows)
    if rows == 1:
        torch.testing.assert_close(found.softmax(1)[:, labels.index("yes")], logits[:, 0].sigmoid(), rtol=1e-4, atol=1e-5)
    else:
        torch.testing.assert_close(found, logits[:, [2, 0, 1]], rtol=1e-4, atol=1e-4)
    assert "mean pooling and a linear head" in unknown_parts(model)
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    save(model, tokenizer, Description("torch", labels, 16), artifact, TEXTS)
    np.testing.assert_allclose(load(artifact, 1).logits(TEXTS), found, atol=1e-4)


def test_a_head_that_does_not_fit_is_told_and_identity_is_of_the_head_too(tmp_path: Path) -> None:
    weight = np.zeros((3, 32), np.float32)
    directory = setfit(tmp_path / "it", "bert", weight, ["Transformer", "Pooling"])
    before = identity(own(directory), "teacher")
    save_file({"weight": weight + 1, "bias": weight[:, 0]}, directory / "model_head.safetensors", {"classes": "[0,1,2]"})
    assert identity(own(directory), "teacher") != before
    other = setfit(tmp_path / "small", "bert", weight[:, :8], ["Transformer", "Pooling"])
    assert "do not fit the network: (3, 8)" in problem(lambda: checkpoint(other, ["no", "yes", "maybe"]))
    dense = setfit(tmp_path / "dense", "bert", weight, ["Transformer", "Pooling", "Dense"])
    assert "Dense is left out" in problem(lambda: checkpoint(dense, ["no", "yes", "maybe"]))
    family = setfit(tmp_path / "other", "deberta-v2", weight, ["Transformer", "Pooling"])
    assert "can't have a linear head" in problem(lambda: checkpoint(family, ["no", "yes", "maybe"]))


def test_a_new_head_is_new_even_with_as_many_outputs(tmp_path: Path) -> None:
    model = bert(2)
    backbone = replace(own(saved(tmp_path, model)), finetuned=False, max_length=16)
    first, again, other = (start(backbone, "teacher", ["x", "y", "z"], seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first.classifier.weight, again.classifier.weight)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)
    assert not torch.equal(first.classifier.weight, model.classifier.weight) and not first.classifier.bias.any()
    assert torch.equal(first.bert.pooler.dense.weight, model.bert.pooler.dense.weight)


def test_students_start_from_it_and_from_nowhere_else(tmp_path: Path) -> None:
    model = bert(4)
    student: Any = start(replace(own(saved(tmp_path, model)), max_length=16), "student", ["a", "b"], 0)[0]
    word = student.base_model.embeddings.word_embeddings.weight
    assert torch.equal(word, model.bert.embeddings.word_embeddings.weight) and student.config.num_labels == 2
    assert TINY.model is None
