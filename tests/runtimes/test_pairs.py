"""Pairs of texts become the same tokens and token types in training, in every runtime and in transformers."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

from pipeline.errors import OptimizationError
from pipeline.models.token_types import NONE, SIDES, TYPES, kind_for
from pipeline.runtimes import onnx_graph, openvino, tokens, torch_compiled, torch_int8
from pipeline.runtimes.base import TOKENIZER, Description, load
from pipeline.runtimes.encoder import Encoder
from pipeline.runtimes.onnx_dynamic import quantize
from pipeline.runtimes.onnx_folder import FP32, place_for
from pipeline.runtimes.tokens import AWKWARD
from pipeline.runtimes.torch import read_tokenizer, save, save_compact
from pipeline.steps.compile import COMPILERS, compile_ahead_of_time
from pipeline.tasks.inputs import Input
from pipeline.training.batches import Collator, tokenized
from tests.support.families import LABELS, TEXTS, TOKENIZERS, network

LENGTH = 12
TASK = "single_label_pairs"
PAIRS: list[Input] = [(one, other) for one in TEXTS[:3] for other in TEXTS[3:]]
USED = {"bert": TYPES, "albert": NONE, "roberta": NONE, "deberta-v2": NONE, "gpt2": NONE}  # as transformers has them


def by_transformers(tokenizer: Any, pairs: Sequence[Input]) -> Any:
    first, second = (list(texts) for texts in zip(*pairs, strict=True))
    settings = {"truncation": "longest_first", "max_length": LENGTH, "padding": True, "return_token_type_ids": True}
    return tokenizer(first, second, **settings)


@pytest.mark.parametrize("family", TOKENIZERS)
def test_pairs_are_cut_and_typed_as_transformers_does_it(family: str, tmp_path: Path) -> None:
    tokenizer, pairs = TOKENIZERS[family](), list(zip(AWKWARD, reversed(AWKWARD), strict=True))
    network(family).config.save_pretrained(tmp_path)
    tokens.write(tokenizer, LENGTH, tmp_path, PAIRS, pairs=True)
    expected = by_transformers(tokenizer, pairs)
    ids, mask, types = Encoder(tmp_path, LENGTH, tokenizer.pad_token_id, 1, TYPES)(pairs)
    sides = Encoder(tmp_path, LENGTH, tokenizer.pad_token_id, 1, SIDES)(pairs)[2]
    assert ids.tolist() == expected["input_ids"] and mask.tolist() == expected["attention_mask"]
    assert np.array_equal(types * mask, np.array(expected["token_type_ids"]) * mask)
    assert sides.tolist() == [[0 if s is None else s + 1 for s in each.sequence_ids] for each in expected.encodings]
    given = Dataset.from_dict({"text": AWKWARD, "text_pair": AWKWARD[::-1], "label": [0] * len(AWKWARD)})
    trained = tokenized(given, tokenizer, LENGTH, tmp_path / "tokens.arrow", SIDES)
    batch = Collator(tokenizer)([trained[row] for row in range(len(trained))])
    assert batch["input_ids"].tolist() == ids.tolist() and np.array_equal(batch["token_type_ids"] * mask, sides)


def test_a_very_long_text_of_a_pair_is_cut_before_and_loses_the_same_tokens(tmp_path: Path) -> None:
    tokenizer = TOKENIZERS["bert"]()
    network("bert").config.save_pretrained(tmp_path)
    tokens.write(tokenizer, LENGTH, tmp_path, pairs=True)
    pairs: list[Input] = [("rain tomorrow " * 2000, "is it cold?"), ("rain", "play a song " * 2000)]
    encode = Encoder(tmp_path, LENGTH, tokenizer.pad_token_id, 1)
    assert encode(pairs)[0].tolist() == by_transformers(tokenizer, pairs)["input_ids"]
    assert max(len(text) for pair in encode._long_texts.cut(pairs, "right") for text in pair) < 5000


@pytest.mark.parametrize(("family", "kind"), USED.items())
def test_networks_with_token_types_get_them_and_others_do_not(family: str, kind: str, tmp_path: Path) -> None:
    model, tokenizer = network(family), TOKENIZERS[family]()
    assert kind_for(model, tokenizer, pairs=True) == kind and kind_for(model, tokenizer, pairs=False) == NONE
    save(model, tokenizer, Description("torch", LABELS, LENGTH, task=TASK), tmp_path, PAIRS)
    assert (Description.read(tmp_path).token_types, Description.read(tmp_path).task) == (kind, TASK)
    logits, inputs = load(tmp_path, 1).logits(PAIRS), by_transformers(tokenizer, PAIRS)
    given = {name: torch.tensor(values) for name, values in inputs.items() if kind == TYPES or name != "token_type_ids"}
    with torch.no_grad():
        assert np.allclose(logits, model(**given).logits.numpy(), atol=1e-5)


def bert() -> Any:
    """A BERT to whom token types matter."""
    model = network("bert")
    with torch.no_grad():
        model.bert.embeddings.token_type_embeddings.weight[1] *= 10
    return model


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its artifact."""
    folder = tmp_path_factory.mktemp("bert")
    save(bert(), TOKENIZERS["bert"](), Description("torch", LABELS, LENGTH, task=TASK), folder, PAIRS)
    return folder


def exported(source: Path, folder: Path, how: str) -> Path:
    onnx_graph.export(bert(), folder / "exported.onnx", typed=True)
    onnx_graph.fuse(folder / "exported.onnx", place_for(folder, FP32), LENGTH, how)
    shutil.copy(source / TOKENIZER, folder)
    replace(Description.read(source), runtime="onnx").write(folder)
    return folder


def require_same(source: Path, other: Path, tolerance: float) -> None:
    """Same logits, alone and together, the two texts in either order; and the order and the token types matter.

    tolerance: of what the order and the types change.
    """
    swapped: list[Input] = [(pair[1], pair[0]) for pair in PAIRS]
    expected, found = (load(artifact, 1) for artifact in (source, other))
    (ids, mask, types), right = expected.encode(PAIRS), expected.logits(PAIRS)
    changes = [np.abs(other - right).max() for other in (expected.logits(swapped), expected.forward(ids, mask, 0 * types))]
    assert min(changes) > 0.01
    for pairs in (PAIRS, swapped):
        assert np.abs(expected.logits(pairs) - found.logits(pairs)).max() < tolerance * min(changes)
        assert np.abs(found.logits(pairs)[:1] - found.logits(pairs[:1])).max() < tolerance * min(changes)
    for changed in (found.logits(swapped), found.forward(ids, mask, 0 * types)):
        assert np.abs(changed - found.logits(PAIRS)).max() > 0.5 * min(changes)


@pytest.mark.parametrize("how", onnx_graph.FUSED)
def test_onnx_graphs_take_token_types_and_so_do_their_int8_and_4_bit_forms(how: str, source: Path, tmp_path: Path) -> None:
    import onnx as library

    graph = exported(source, tmp_path, how)
    names = {one.name for one in library.load(graph / FP32).graph.input}
    assert names == {"input_ids", "attention_mask", "token_type_ids"}
    require_same(source, graph, 0.01)
    for batched in (False, True):
        quantized = shutil.copytree(graph, tmp_path / f"int8{batched}")
        quantize(graph / FP32, quantized / FP32, True, True, tmp_path, batched)
        replace(Description.read(graph), batched=False).write(quantized)
        require_same(source, quantized, 0.5)


def test_the_other_forms_take_token_types_too(source: Path, tmp_path: Path) -> None:
    model, tokenizer, described = bert(), read_tokenizer(source), Description.read(source)
    for name in ("compact", "int8"):
        (tmp_path / name).mkdir()
    save_compact(model, tokenizer, described, tmp_path / "compact", PAIRS)
    require_same(source, tmp_path / "compact", 0.01)
    torch_int8.quantize(model, per_channel=True)
    described = replace(described, runtime="torch_int8", batched=False)
    torch_int8.save(model, tokenizer, described, tmp_path / "int8", PAIRS)
    require_same(source, tmp_path / "int8", 0.5)


def test_openvino_takes_token_types(source: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    library = openvino.library()
    exported(source, tmp_path, "all")
    library.save_model(
        library.convert_model(str(tmp_path / "exported.onnx")), str(tmp_path / openvino.MODEL), compress_to_fp16=False
    )
    (tmp_path / openvino.SETTINGS).write_text('{"precision": "f32"}')
    replace(Description.read(source), runtime="openvino").write(tmp_path)
    require_same(source, tmp_path, 0.05)


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="there is no C++ compiler")
def test_compiled_code_takes_token_types(source: Path, tmp_path: Path) -> None:
    compile_ahead_of_time(bert(), "float32", LENGTH, tmp_path / torch_compiled.MODEL, typed=True)
    shutil.copy(source / TOKENIZER, tmp_path)
    replace(Description.read(source), runtime="torch_compiled").write(tmp_path)
    require_same(source, tmp_path, 0.01)


def test_token_types_that_get_lost_are_one_line(tmp_path: Path) -> None:
    tokenizer = TOKENIZERS["bert"]()
    network("bert").config.save_pretrained(tmp_path)
    tokens.write(tokenizer, LENGTH, tmp_path, pairs=True)
    saved = (tmp_path / TOKENIZER).read_text()
    assert '"type_id": 1' in saved
    (tmp_path / TOKENIZER).write_text(saved.replace('"type_id": 1', '"type_id": 0'))
    with pytest.raises(OptimizationError, match="gives other token types to"):
        tokens._compare(tokenizer, LENGTH, tmp_path, PAIRS)
