"""torch dynamic int8: the same logits to the bit after storing, int8 values as the definition says, agreement as counted."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.config import Config
from pipeline.evaluation.latency.process import Worker
from pipeline.evaluation.size import size_of
from pipeline.runtimes import torch_int8
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.compact import FILE
from pipeline.runtimes.torch import read, read_tokenizer, save
from pipeline.steps.base import Context
from pipeline.steps.execute import check_order, run_steps
from pipeline.steps.quantize_torch_dynamic import QuantizeTorchDynamic
from pipeline.steps.store import Store
from tests.runtimes.test_compact import NETWORKS, TEXTS, network, smaller, sparse, stored

SHAPES = ((1, 1), (1, 7), (3, 11), (16, 2), (33, 17))  # texts, tokens
STEP = QuantizeTorchDynamic("quantize_torch_dynamic")
Quantized = Callable[..., tuple[Path, Path, dict[str, Any]]]


@pytest.fixture
def context(compose: Callable[..., Config], tiny: list[str]) -> Context:
    config = compose(*tiny)
    splits = config.data.load(config.seed)
    return Context(splits, config.backbone, config.seed)


@pytest.fixture
def quantized(context: Context, tmp_path: Path) -> Quantized:
    """A network and the step -> the directories before and after, and the notes."""

    def carried_out(model: Any, step: QuantizeTorchDynamic = STEP) -> tuple[Path, Path, dict[str, Any]]:
        source, artifact = stored(model, tmp_path / "source"), tmp_path / "artifact"
        artifact.mkdir()
        return source, artifact, step.make(replace(context, source=source), artifact, tmp_path)

    return carried_out


def logits(model: Any, texts: int, tokens: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(texts)
    ids = torch.randint(5, 141, (texts, tokens), generator=generator)
    mask = torch.ones_like(ids)
    mask[1:, tokens // 2 + 1 :] = 0
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=ids, attention_mask=mask).logits
    return found


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("make", [network, sparse, smaller])
def test_what_was_stored_gives_the_same_logits_to_the_bit_whatever_shares_a_scale(
    make: Callable[[str], Any], kind: str, tmp_path: Path
) -> None:
    source = stored(make(kind), tmp_path / "source")
    plain, description = read(source), replace(Description.read(source), runtime="torch_int8")
    before = [logits(plain, *shape) for shape in SHAPES]
    for per_channel in (False, True):
        model, artifact = copy.deepcopy(plain), tmp_path / f"int8-{per_channel}"
        artifact.mkdir()
        torch_int8.quantize(model, per_channel)
        torch_int8.save(model, read_tokenizer(source), description, artifact)
        found = torch_int8.read(artifact)
        for shape, unquantized in zip(SHAPES, before, strict=True):
            answer = logits(found, *shape)
            assert torch.equal(answer, logits(model, *shape))
            assert not torch.equal(answer, unquantized)  # else nothing was quantized


@pytest.mark.parametrize("per_channel", [False, True])
def test_int8_values_are_weights_over_the_scale_of_their_layer_or_row(per_channel: bool, quantized: Quantized) -> None:
    source, artifact, _ = quantized(network(), QuantizeTorchDynamic(per_channel=per_channel))
    tensors, weights = load_file(artifact / FILE), read(source).state_dict()
    linears = [name.removesuffix(".scale") for name in tensors if name.endswith(".scale")]
    assert len(linears) == 3 * 6 + 2  # of three layers, the pooler and the head
    for name in linears:
        weight = weights[f"{name}.weight"].double().numpy()
        largest = np.abs(weight).max(axis=1 if per_channel else None, keepdims=True)
        scale = largest / 127.5  # the widest of -128 to 127 that is the same on both sides of zero
        expected = np.clip(np.round(weight / scale), -128, 127)
        np.testing.assert_allclose(tensors[f"{name}.scale"].numpy().ravel(), scale.ravel(), rtol=1e-6)
        assert not tensors[f"{name}.zero_point"].any()
        assert tensors[f"{name}.weight"].dtype == torch.int8
        assert np.abs(tensors[f"{name}.weight"].numpy() - expected).max() <= 1  # where a value lies between two
        assert (tensors[f"{name}.weight"].numpy() == expected).mean() > 0.99
    left = {name for name, tensor in tensors.items() if tensor.dtype == torch.float32 and tensor.dim() > 1}
    assert left and all("embeddings" in name for name in left)


def test_an_artifact_is_smaller_than_its_source_whole_sparse_and_pruned(context: Context, tmp_path: Path) -> None:
    sizes = []
    for make in (network, sparse, smaller):
        here = tmp_path / make.__name__
        here.mkdir()
        source = stored(make(), here / "source")
        (here / "artifact").mkdir()
        STEP.make(replace(context, source=source), here / "artifact", here)
        sizes.append((size_of(source).weights_bytes, size_of(here / "artifact").weights_bytes))
        assert {path.suffix for path in (here / "artifact").iterdir()} == {".json", ".safetensors"}
    assert all(after < before for before, after in sizes)
    assert sizes[1][1] < sizes[0][1] and sizes[2][1] < sizes[0][1]  # zeros are still cheap, removed rows still gone


def test_the_step_counts_on_how_many_validation_texts_the_prediction_stays(context: Context, quantized: Quantized) -> None:
    source, artifact, notes = quantized(network())
    texts = sorted(context.splits.validation["text"], key=len)  # few enough for one batch
    same = load(source, 1).logits(texts).argmax(1) == load(artifact, 1).logits(texts).argmax(1)
    assert 1 < len(texts) <= 32 and notes == {"metrics": {"quantize/agreement": same.mean()}}


def spoilt() -> Any:
    """A network with one weight so large that all others of its layers are zero in int8, if they share a scale."""
    model = network()
    with torch.no_grad():
        for parameter in model.base_model.encoder.parameters():
            if parameter.dim() > 1:
                parameter[0, 0] = 1e3
    return model


def test_predictions_that_change_are_warned_of_with_what_to_try(
    quantized: Quantized, caplog: pytest.LogCaptureFixture
) -> None:
    _, _, notes = quantized(spoilt(), QuantizeTorchDynamic(per_channel=False))
    assert notes["metrics"]["quantize/agreement"] < 0.98
    assert f"only {100 * notes['metrics']['quantize/agreement']:.1f} %" in caplog.text and "per_channel=true" in caplog.text


def test_the_library_that_multiplies_is_set_when_an_artifact_is_loaded(quantized: Quantized) -> None:
    _, artifact, _ = quantized(network())
    engines = torch.backends.quantized.supported_engines
    right = next(name for name in torch_int8.ENGINES if name in engines)
    torch.backends.quantized.engine = next(name for name in engines if name not in (right, "none"))
    load(artifact, 1)
    assert torch.backends.quantized.engine == right


def test_a_layer_that_lacks_its_int8_values_or_its_scale_is_refused(quantized: Quantized) -> None:
    _, artifact, _ = quantized(network())
    tensors, name = load_file(artifact / FILE), "classifier"
    for wrong in (
        tensors | {f"{name}.weight": tensors[f"{name}.weight"].float()},
        {key: tensor for key, tensor in tensors.items() if key != f"{name}.weight"},
        {key: tensor for key, tensor in tensors.items() if key != f"{name}.scale"},
        {key: tensor for key, tensor in tensors.items() if key != f"{name}.zero_point"},
        tensors | {f"{name}.scale": torch.ones(2, dtype=torch.float64)},
    ):
        save_file(wrong, artifact / FILE, metadata={"shapes": "{}"})
        with pytest.raises(ValueError, match=name):
            torch_int8.read(artifact)


@pytest.mark.slow
def test_int8_after_structured_pruning_is_served_by_a_worker_process(quantized: Quantized) -> None:
    _, artifact, _ = quantized(smaller())
    with Worker(artifact, threads=1) as worker:
        assert np.array_equal(worker.logits(TEXTS[:1], 1), load(artifact, 1).logits(TEXTS[:1]))


@pytest.mark.slow
def test_bert_int8_is_a_config_that_the_store_carries_out(
    compose: Callable[..., Config], tiny: list[str], context: Context, tmp_path: Path
) -> None:
    config = compose("optim=baseline_int8", *tiny)
    check_order(config.optim, config.backbone)
    assert config.optim.name == "baseline_int8" and list(config.optim.steps) == ["finetune", "quantize"]
    made = run_steps(config.optim, context, Store(tmp_path))
    assert Description.read(made.artifact).runtime == "torch_int8" and set(made.metrics) == {"quantize/agreement"}


def test_a_dense_source_is_quantized_like_a_compact_one(context: Context, quantized: Quantized, tmp_path: Path) -> None:
    _, artifact, _ = quantized(network())
    dense, other = stored(network(), tmp_path / "dense", save), tmp_path / "other"
    other.mkdir()
    STEP.make(replace(context, source=dense), other, tmp_path)
    assert (artifact / FILE).read_bytes() == (other / FILE).read_bytes()
