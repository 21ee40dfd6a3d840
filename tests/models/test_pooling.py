"""Mean pooling: the mean of the tokens that count, in copies, files, ONNX and students; refused where it can't be."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.config import Backbone, Config, Weights
from pipeline.errors import OptimizationError
from pipeline.models.build import start
from pipeline.models.distilbert import distilbert_from
from pipeline.models.pooling import pool, pooling_of
from pipeline.models.students import student_from_layers
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.torch import read, save, save_standard
from pipeline.steps.base import Context
from pipeline.steps.execute import plan
from tests.conftest import LEARNED, Carried

LABELS = ["a", "b", "c"]
TEXTS = ["hi", "a longer text, padding the other", "??"]
MEAN = "backbone.teacher.pooling=mean"


@pytest.fixture
def made() -> tuple[Any, Any]:
    backbone = Backbone("tiny", teacher=Weights(random=True, pooling="mean"), max_length=64)
    model, tokenizer = start(backbone, "teacher", LABELS, 0)
    return model.eval(), tokenizer


def logits(model: Any, tokenizer: Any, texts: list[str]) -> torch.Tensor:
    with torch.inference_mode():
        encoded = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
        found: torch.Tensor = model(**encoded).logits
    return found


def test_the_head_takes_the_mean_of_the_tokens_that_count(made: tuple[Any, Any]) -> None:
    model, tokenizer = made
    states: list[torch.Tensor] = []
    last = model.bert.encoder.layer[-1]
    hook = last.register_forward_hook(
        lambda module, inputs, output: states.append(output if torch.is_tensor(output) else output[0])
    )
    found = logits(model, tokenizer, TEXTS)
    hook.remove()
    mask = tokenizer(TEXTS, padding=True, return_tensors="pt")["attention_mask"].bool()
    for row, text in enumerate(TEXTS):
        mean = states[0][row][mask[row]].mean(0)
        expected = model.classifier(mean)
        assert torch.allclose(found[row], expected, atol=1e-5)
        assert torch.allclose(logits(model, tokenizer, [text])[0], expected, atol=1e-5), "whatever else is in the batch"


def test_a_copy_pools_by_its_own_mask_and_students_pool_too(made: tuple[Any, Any]) -> None:
    model, tokenizer = made
    other = copy.deepcopy(model)
    assert other.mean_of is not model.mean_of
    logits(model, tokenizer, ["x"])
    assert torch.equal(logits(other, tokenizer, TEXTS), logits(model, tokenizer, TEXTS))
    for student in (student_from_layers(model, None, 1), distilbert_from(model)):
        student.eval()
        assert pooling_of(student) == "mean"
        both = torch.cat([logits(student, tokenizer, [text]) for text in TEXTS])
        assert torch.allclose(logits(student, tokenizer, TEXTS), both, atol=1e-5)


def test_it_is_stored_so_that_transformers_can_not_take_it_for_another_network(
    made: tuple[Any, Any], tmp_path: Path
) -> None:
    model, tokenizer = made
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    save(model, tokenizer, Description("torch", LABELS, 64), artifact)
    assert not (artifact / "model.safetensors").exists()
    assert torch.equal(logits(read(artifact), tokenizer, TEXTS), logits(model, tokenizer, TEXTS))
    with pytest.raises(ValueError, match="transformers does not support mean pooling"):
        save_standard(artifact, tmp_path)


def test_pooling_is_part_of_the_fingerprint(compose: Callable[..., Config], tiny: list[str]) -> None:
    configs = [compose("optim=baseline", *tiny, *pooled) for pooled in ([], [MEAN])]
    splits = configs[0].data.load(0)
    first, mean = (plan(config.optim, Context(splits, config.backbone, 0))[0].fingerprint for config in configs)
    assert first != mean


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 8])
def test_the_whole_way_to_int8_says_the_same(carried: Carried, bits: int) -> None:
    exported = ["+step@optim.steps.export=export_onnx", "+step@optim.steps.quantize=quantize_onnx_dynamic"]
    exported += ["optim.steps.export.fuse=layers", "optim.steps.quantize.embedding_bits=4"] if bits == 4 else []
    made, context = carried(MEAN, *LEARNED, *exported)
    texts = list(context.splits.test["text"])
    torch_logits, onnx_logits, int8 = (load(stage.artifact, 1).logits(texts) for stage in made.stages)
    assert np.abs(torch_logits - onnx_logits).max() < 1e-4 and np.mean(int8.argmax(1) == torch_logits.argmax(1)) >= 0.9


def test_where_layers_lie_elsewhere_it_is_refused() -> None:
    class Other(nn.Module):
        config = type("Config", (), {"model_type": "other"})()

    other = Other()
    other.base_model = other
    with pytest.raises(OptimizationError, match="'other' has its layers is not known"):
        pool(other, "mean")
