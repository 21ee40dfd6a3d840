"""Storages of torch classifiers: a zero takes one bit, all comes back as it was, damage is noticed."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pipeline.config import Backbone, Weights
from pipeline.evaluation.latency.process import Worker
from pipeline.models.build import start
from pipeline.models.layers import layers
from pipeline.models.units import Units, prune
from pipeline.runtimes import compact
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.torch import read, save, save_compact, save_standard

LABELS = ["a", "b", "c"]
HEAD = {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}
SIZES = {"vocab_size": 141, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
TEXTS = ["play a song", "no", "is it sunny, or will it rain in the afternoon?", "order a pizza"]
NETWORKS: dict[str, Callable[[], Any]] = {
    "bert": lambda: transformers.BertForSequenceClassification(transformers.BertConfig(**SIZES, **HEAD)),
    "roberta": lambda: transformers.RobertaForSequenceClassification(
        transformers.RobertaConfig(**SIZES, **HEAD, pad_token_id=1)
    ),
    "distilbert": lambda: transformers.DistilBertForSequenceClassification(
        transformers.DistilBertConfig(vocab_size=141, dim=32, n_layers=3, n_heads=4, hidden_dim=48, **HEAD)
    ),
}
KEPT = [([0, 2, 3], range(8, 32)), ([1], range(16)), ([0, 1, 2, 3], range(48))]  # heads and neurons of each layer


def network(kind: str = "bert") -> Any:
    """A small network with random weights in which no two parameters are equal, as after training."""
    torch.manual_seed(0)
    model = NETWORKS[kind]().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


def smaller(kind: str = "bert") -> Any:
    """A network without some heads and neurons."""
    model = network(kind)
    prune(model, [Units(torch.tensor(heads), torch.tensor(neurons)) for heads, neurons in KEPT])
    return model


def sparse(kind: str = "bert") -> Any:
    """A network in whose layers 80 % of the weights are zero."""
    model = network(kind)
    with torch.no_grad():
        for layer in layers(model):
            for parameter in layer.module.parameters():
                parameter[torch.rand(parameter.shape) < 0.8] = 0
    return model


def stored(model: Any, directory: Path, write: Callable[..., None] = save_compact) -> Path:
    """An artifact of a network, with the tokenizer of the tiny backbone."""
    directory.mkdir()
    write(model, tiny_tokenizer(), Description("torch", LABELS, max_length=64), directory)
    return directory


@functools.cache
def tiny_tokenizer() -> Any:
    """The tokenizer of the tiny backbone, made once."""
    return start(Backbone("tiny", Weights(random=True)), "teacher", LABELS, 0)[1]


def test_a_matrix_of_zeros_is_a_mask_of_bits_and_the_values_that_are_left(tmp_path: Path) -> None:
    matrix = torch.zeros(3, 5)
    matrix[0, 1], matrix[1, 3], matrix[2, 4] = 7.0, -2.0, 0.5  # the values at 1, 8 and 14 of 15
    compact.write({"layer.weight": matrix, "layer.bias": torch.zeros(40)}, tmp_path)
    with safe_open(tmp_path / "weights.safetensors", framework="np") as file:
        assert set(file.keys()) == {"layer.weight:mask", "layer.weight:values", "layer.bias"}
        assert file.get_tensor("layer.weight:mask").tolist() == [0b01000000, 0b10000010]
        assert file.get_tensor("layer.weight:values").tolist() == [7.0, -2.0, 0.5]
        assert json.loads(file.metadata()["shapes"]) == {"layer.weight": [3, 5]}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8, torch.bool])
@pytest.mark.parametrize("zeros", [0.0, 0.1, 0.5, 0.99, 1.0])
def test_what_is_written_is_read_to_the_bit(dtype: torch.dtype, zeros: float, tmp_path: Path) -> None:
    torch.manual_seed(1)
    made = {
        str(shape): (torch.randn(shape) * 50 * (torch.rand(shape) >= zeros)).to(dtype)
        for shape in [(), (9,), (0, 3), (1, 1), (7, 9), (64, 33), (3, 5, 7)]
    }
    made["transposed"] = made["(64, 33)"].T
    compact.write(made, tmp_path)
    found = compact.read(tmp_path)
    assert found.keys() == made.keys()
    for name, tensor in made.items():
        assert found[name].dtype == dtype and torch.equal(found[name], tensor)


def test_nan_infinity_and_the_smallest_number_are_kept_and_minus_zero_becomes_zero(tmp_path: Path) -> None:
    odd = torch.zeros(8, 8)
    odd[0, :5] = torch.tensor([torch.nan, torch.inf, -torch.inf, 1e-45, -0.0])
    odd[1, 0] = torch.tensor([0x7FC12345], dtype=torch.int32).view(torch.float32)[0]  # NaN with something written in it
    compact.write({"odd": odd}, tmp_path)
    expected = odd.clone()
    expected[0, 4] = 0.0
    assert torch.equal(compact.read(tmp_path)["odd"].view(torch.int32), expected.view(torch.int32))


def test_a_file_is_never_larger_than_a_dense_one_and_small_when_much_is_zero(tmp_path: Path) -> None:
    torch.manual_seed(1)
    for zeros, most in ((0.0, 1.001), (0.03, 1.001), (0.5, 0.54), (0.9, 0.14)):
        matrix = torch.randn(512, 512) * (torch.rand(512, 512) >= zeros)
        compact.write({"weight": matrix}, tmp_path)
        assert (tmp_path / compact.FILE).stat().st_size / (4 * matrix.numel()) < most


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / compact.FILE
    with pytest.raises(OSError):
        compact.read(tmp_path)
    compact.write({"weight": torch.eye(20), "bias": torch.ones(20)}, tmp_path)
    whole, tensors = file.read_bytes(), load_file(file)
    good = {"shapes": json.dumps({"weight": [20, 20]})}
    for content in (whole[:-1], whole[:40], b"", b"\0" * 100, whole[:8] + b"x" + whole[9:]):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"weights\.safetensors: damaged"):
            compact.read(tmp_path)
    mask, values = tensors["weight:mask"], tensors["weight:values"]
    for changes, metadata in (
        ({"weight:mask": mask[:-1].clone()}, good), ({"weight:values": values[:-1].clone()}, good),
        ({"weight:mask": mask.float()}, good), ({}, None), ({}, {"shapes": "{"}), ({}, {"shapes": "[1]"}),
        ({}, {"shapes": json.dumps({"weight": [20, 30]})}), ({}, {"shapes": json.dumps({"other": [20, 20]})}),
        ({}, {"shapes": json.dumps({"weight": [-20, -20]})}), ({}, {"shapes": json.dumps({"weight": ["a"]})}),
    ):  # fmt: skip
        save_file(tensors | changes, file, metadata=metadata)
        with pytest.raises(ValueError, match=r"weights\.safetensors: damaged"):
            compact.read(tmp_path)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("make", [network, sparse, smaller])
def test_a_compact_artifact_gives_the_same_network(make: Callable[[str], Any], kind: str, tmp_path: Path) -> None:
    model = make(kind)
    found = read(stored(model, tmp_path / "compact"))
    assert not found.training and found.config.id2label == model.config.id2label
    state = model.state_dict()
    assert found.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.state_dict().items())
    ids = torch.tensor([[2, 20, 84, 73, 97, 5, 3]])
    with torch.inference_mode():
        torch.testing.assert_close(found(ids).logits, model(ids).logits)  # where weights lie in memory changes the last bits


@pytest.mark.parametrize("write", [save, save_compact])
def test_a_weight_that_is_missing_or_unknown_is_refused(write: Callable[..., None], tmp_path: Path) -> None:
    artifact = stored(network(), tmp_path / "artifact", write)
    file = next(artifact.glob("*.safetensors"))
    with safe_open(file, framework="pt") as opened:
        tensors, metadata = load_file(file), opened.metadata()
    name = "bert.encoder.layer.1.output.dense.bias"
    for wrong in ({key: tensor for key, tensor in tensors.items() if key != name}, tensors | {"more": torch.ones(3)}):
        save_file(wrong, file, metadata=metadata)
        with pytest.raises(ValueError, match=r"output\.dense\.bias|more"):
            read(artifact)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("make", [network, sparse, smaller])
def test_the_standard_form_loads_with_transformers_and_says_the_same(
    make: Callable[[str], Any], kind: str, tmp_path: Path
) -> None:
    artifact = stored(make(kind), tmp_path / "compact")
    save_standard(artifact, tmp_path / "standard")
    classify = transformers.pipeline("text-classification", model=str(tmp_path / "standard"), function_to_apply="none")
    answers = [{one["label"]: one["score"] for one in classify(text, top_k=None)} for text in TEXTS]
    expected = np.concatenate([load(artifact, 1).logits([text]) for text in TEXTS])
    np.testing.assert_allclose([[answer[label] for label in LABELS] for answer in answers], expected, atol=1e-5)
    assert load(tmp_path / "standard", 1).logits(TEXTS) == pytest.approx(load(artifact, 1).logits(TEXTS), abs=1e-5)


def test_saves_note_the_padding_token_and_int8_has_no_standard_form(tmp_path: Path) -> None:
    _, tokenizer = start(Backbone("tiny", Weights(random=True)), "teacher", LABELS, 0)
    tokenizer.pad_token = "[MASK]"
    for write in (save, save_compact):
        (tmp_path / write.__name__).mkdir()
        write(network(), tokenizer, Description("torch", LABELS, max_length=64), tmp_path / write.__name__)
        assert Description.read(tmp_path / write.__name__).pad_id == tokenizer.pad_token_id == 4
    Description("torch_int8", LABELS, 64).write(tmp_path / "save")
    with pytest.raises(ValueError, match="torch_int8"):
        save_standard(tmp_path / "save", tmp_path / "standard")


@pytest.mark.slow
def test_compact_artifacts_are_served_by_a_worker_process(tmp_path: Path) -> None:
    few, many = stored(sparse(), tmp_path / "sparse"), stored(smaller(), tmp_path / "smaller")
    with Worker(few, threads=1) as worker:
        np.testing.assert_allclose(worker.logits(TEXTS[:1], 1), load(few, 1).logits(TEXTS[:1]), atol=1e-6)
        worker.ask("load", artifact=str(many), threads=1, cores=[])
        np.testing.assert_allclose(worker.logits(TEXTS[:1], 1), load(many, 1).logits(TEXTS[:1]), atol=1e-6)
