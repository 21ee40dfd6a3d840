"""Families of networks: how long a text may be, padding, trimmed positions, shared weights, a left-over problem type."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import transformers

from pipeline.config import Backbone
from pipeline.errors import ConfigError, OptimizationError
from pipeline.models.build import checkpoint, start
from pipeline.models.embeddings import shrink_embeddings
from pipeline.models.outline import outline_of_start
from pipeline.models.positions import max_tokens, position_table
from pipeline.models.static_embeddings import word_piece_vectors
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.onnx_dynamic import quantize
from pipeline.runtimes.onnx_graph import export, fuse
from pipeline.runtimes.torch import read, save
from pipeline.steps.random_init import RandomInit
from pipeline.steps.shared.export_check import compare_on_ids, require_equal
from tests.models.test_build import at, problem
from tests.runtimes.test_onnx import Graph
from tests.support.families import ALIKE, LABELS, POSITIONS, SETTINGS, TEXTS, TOKENIZERS, checkpoint_of, network

FAMILIES = [family for family in SETTINGS if family not in ALIKE]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("family", FAMILIES)
def test_the_longest_text_that_is_accepted_is_the_longest_that_runs(family: str, tmp_path: Path) -> None:
    model = network(family)
    assert max_tokens(model) == POSITIONS
    ids = torch.full((1, POSITIONS + 1), 7)
    assert model(ids[:, :-1]).logits.shape == (1, 3)
    if position_table(model) is not None:  # else positions are relative, so any length runs
        with pytest.raises((IndexError, RuntimeError)):
            model(ids)
    backbone = at(checkpoint_of(family, tmp_path))
    assert outline_of_start(replace(backbone, max_length=POSITIONS), "teacher", LABELS, 0).network is not None
    longer = replace(backbone, max_length=POSITIONS + 1)
    line = problem(lambda: outline_of_start(longer, "teacher", LABELS, 0))
    assert f"max_length={POSITIONS + 1}" in line and f"at most {POSITIONS} tokens" in line


def test_a_random_network_has_positions_for_every_text_too() -> None:
    context: Any = type("Context", (), {"backbone": Backbone(name="x", max_length=129)})
    with pytest.raises(ConfigError, match="max_length=129: must be at most max_positions=128"):
        RandomInit("random_init", max_positions=128).inputs(context)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet", "albert"])
def test_fewer_pieces_and_positions_compute_the_same(family: str, padding: int) -> None:
    """As `trim_vocabulary` makes them; where positions are counted from the padding token, its number can't change."""
    model = network(family)
    kept = [*range(1 - padding, 20), *range(30, model.config.vocab_size, 2)]
    if family in ("roberta", "mpnet") and not padding:
        with pytest.raises(OptimizationError, match="the padding token's number can't change"):
            shrink_embeddings(model, kept, 8)
        return
    kept = [0, *kept] if not padding else kept
    smaller = shrink_embeddings(model, kept, 8)
    rows = torch.tensor([[kept[5], kept[9], kept[12], kept[30], kept[8], kept[7], kept[6], kept[22]]])
    with torch.no_grad():
        expected, found = model(rows).logits, smaller(torch.tensor([[5, 9, 12, 30, 8, 7, 6, 22]])).logits
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert max_tokens(smaller) == 8


@pytest.mark.parametrize("family", ["roberta", "gpt2"])
def test_static_vectors_are_the_principal_components_of_what_the_network_makes_of_each_piece(family: str) -> None:
    """GPT-2's tokenizer puts no special tokens around a text."""
    model, tokenizer = network(family), TOKENIZERS[family]()
    around = ([0], [2]) if family == "roberta" else ([], [])
    rows = [torch.tensor([[*around[0], piece, *around[1]]]) for piece in range(len(tokenizer))]
    with torch.no_grad():
        states = torch.cat([model.base_model(input_ids=row).last_hidden_state.mean(1) for row in rows]).double().numpy()
    states -= states.mean(0)
    expected = states @ np.linalg.svd(states, full_matrices=False)[2][:5].T
    expected *= (np.log1p(np.arange(1, len(rows) + 1)) / np.log1p(len(rows)))[:, None] / expected.std()
    np.testing.assert_allclose(np.abs(word_piece_vectors(model, tokenizer, 5)), np.abs(expected), atol=1e-3)


@pytest.mark.parametrize("kind", ["multi_label_classification", "regression"])
def test_a_problem_type_that_is_left_over_in_a_checkpoint_is_replaced(kind: str, tmp_path: Path) -> None:
    directory = checkpoint_of("bert", tmp_path / "own", problem_type=kind)
    assert json.loads((directory / "config.json").read_text())["problem_type"] == kind
    batch = {"input_ids": torch.tensor([[2, 9, 3]]), "labels": torch.tensor([1])}
    for model, tokenizer in (
        start(replace(at(directory), max_length=16), "teacher", LABELS, 0),
        checkpoint(directory, LABELS),
    ):
        expected = torch.nn.functional.cross_entropy(model(batch["input_ids"]).logits, batch["labels"])
        torch.testing.assert_close(model(**batch).loss, expected)
        model.config.problem_type = kind  # whatever a step does
        folder = tmp_path / f"artifact{id(model)}"
        folder.mkdir()
        save(model, tokenizer, Description("torch", LABELS, 16), folder)
        written = json.loads((folder / "config.json").read_text())
        assert written["problem_type"] == "single_label_classification"
        pipe: Any = transformers.pipeline("text-classification", model=str(folder), top_k=None)
        assert sum(each["score"] for each in pipe(TEXTS[:1])[0]) == pytest.approx(1, abs=1e-5)


def test_texts_are_padded_on_the_right_where_padding_on_the_left_would_change_the_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        sides = {
            family: checkpoint(checkpoint_of(family, tmp_path / family, {"padding_side": "left"}), LABELS)[1].padding_side
            for family in ("bert", "roberta", "gpt2")
        }
    assert sides == {"bert": "right", "roberta": "right", "gpt2": "right"}
    assert caplog.text.count("texts are padded on the right, not on the left") == 3


def test_a_tokenizer_of_another_network_is_one_line(tmp_path: Path) -> None:
    directory = checkpoint_of("bert", tmp_path / "small", vocab_size=50)
    assert "the network has embeddings for 50 only" in problem(lambda: checkpoint(directory, LABELS))
    directory = checkpoint_of("roberta", tmp_path / "padded", {"pad_token": "<unk>"})
    assert "pads with token 3, the network numbers positions by token 1" in problem(lambda: checkpoint(directory, LABELS))


@pytest.mark.parametrize("family", ["mpnet", "albert"])
def test_they_can_be_exported(family: str, tmp_path: Path) -> None:
    model = network(family)
    graph = Graph(model, tmp_path)
    compared = compare_on_ids(model, graph, 18, model.config.pad_token_id)
    assert require_equal(compared, "") < 1e-5


def test_weights_that_layers_share_are_written_once(tmp_path: Path) -> None:
    sizes = {}
    for layers in (2, 6):
        model = network("albert", hidden_size=192, num_attention_heads=6, intermediate_size=384, num_hidden_layers=layers)
        export(model, tmp_path / "exported.onnx")
        assert fuse(tmp_path / "exported.onnx", tmp_path / "fused.onnx", 16)["Attention"] == layers - 1
        quantize(tmp_path / "fused.onnx", tmp_path / "int8.onnx", True, False, tmp_path)
        for name in ("fused", "int8"):
            tensors = onnx.load(tmp_path / f"{name}.onnx").graph.initializer
            sizes[name, layers] = sum(onnx.numpy_helper.to_array(tensor).nbytes for tensor in tensors)
    assert sizes["fused", 6] < 1.02 * sizes["fused", 2] and sizes["int8", 6] < 1.05 * sizes["int8", 2], sizes


def test_an_artifact_of_each_family_answers_alone_what_it_answers_in_a_batch(tmp_path: Path) -> None:
    for family in FAMILIES:
        model, tokenizer = checkpoint(checkpoint_of(family, tmp_path / f"{family}-own"), LABELS, 16)
        folder = tmp_path / family
        folder.mkdir()
        save(model, tokenizer, Description("torch", LABELS, 16), folder, TEXTS)
        classifier = load(folder, 1)
        alone = np.concatenate([classifier.logits([text]) for text in TEXTS])
        np.testing.assert_allclose(classifier.logits(TEXTS), alone, atol=1e-5, err_msg=family)
        assert read(folder).config.problem_type == "single_label_classification"
