"""Which optimization works with which architecture: each is run on a tiny network with random weights.

Steps, files and runtimes are the real ones; a training is one step on one batch. The table is written into
`pipeline/models/README.md` with

    python -m tests.support.matrix
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.config import Weights
from pipeline.data.splits import Splits
from pipeline.errors import UserError
from pipeline.models.architectures import ARCHITECTURES
from pipeline.runtimes.base import load
from pipeline.steps.base import Context
from pipeline.steps.execute import check_order, check_steps, run_steps
from pipeline.steps.store import Store
from pipeline.training.batches import Collator, tokenized
from tests.conftest import TOPICS, composed, shrunk
from tests.support.families import TOKENIZERS, network

README = Path(__file__).resolve().parents[2] / "pipeline" / "models" / "README.md"
LABELS = sorted(TOPICS)
TEXTS = ["rain tomorrow", "no", "is it sunny, or will it rain?"]
OPTIMS: Mapping[str, tuple[str, ...]] = {  # column of the table -> overrides
    "half the layers": ("optim=distilbert",),
    "student": (
        "optim=student_1l", "optim.steps.distill.hidden_loss_weight=1", "optim.steps.distill.relation_loss_weight=1",
    ),
    "heads, neurons": ("optim=structured_pruning",),
    "sparse": ("optim=movement_pruning",),
    "low rank": ("optim=baseline", "+step@optim.steps.low=low_rank", "optim.steps.low.embeddings=8", "optim.steps.low.feed_forward=8"),
    "vocabulary": ("optim=baseline", "+step@optim.steps.trim=trim_vocabulary", "optim.steps.trim.vocab_size=100"),
    "static": ("optim=static_embeddings",),
    "int8": ("optim=baseline_int8",),
    "ONNX": ("optim=baseline_onnx",),
    "ONNX int8": ("optim=baseline_onnx_int8",),
    "ONNX static": ("optim=baseline_onnx_static",),
    "ONNX 4 bit": ("optim=baseline_onnx_4bit",),
    "OpenVINO": ("optim=baseline_openvino",),
    "student, ONNX int8": ("optim=structured_pruning", "+step@optim.steps.export=export_onnx", "+step@optim.steps.int8=quantize_onnx_dynamic"),
}  # fmt: skip
SLOW: Mapping[str, tuple[str, ...]] = {
    "OpenVINO int8": ("optim=baseline_openvino_int8", "optim.steps.quantize.calibration_samples=10"),
    "compiled": ("optim=baseline_compiled",),
}


def one_step(
    model: Any, tokenizer: Any, training: Any, validation: Any, recipe: Any, scratch: Path, objective: Any = None,
    callbacks: Sequence[Any] = (), optimizer: Any = None,
) -> list[dict[str, float]]:  # fmt: skip
    """In place of `train`: one step on the first texts."""
    rows = [dict(row) for row in tokenized(training.select(range(8)), tokenizer, recipe.max_length, scratch)]
    batch = Collator(tokenizer, recipe.task, recipe.labels)(rows)
    labels, places = batch.pop("labels"), batch.pop("row")
    model.train()
    if objective is None:
        loss = recipe.task.losses(model(**batch).logits, labels).mean()
    else:
        loss = objective(model(**batch, **objective.forward_arguments), batch, labels, places)
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= 1e-3 * parameter.grad
    for callback in callbacks:
        callback.on_epoch_end(None, type("State", (), {"global_step": 1, "max_steps": 1})(), None)
    model.zero_grad()
    model.eval()
    return [{"epoch": 1, "train_loss": float(loss)}]


@contextmanager
def quick_training() -> Iterator[None]:
    """Trainings are one step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.training.trainer.train", one_step)
        yield


def backbone_of(family: str, folder: Path) -> dict[str, Any]:
    """The settings of a backbone whose teacher is a fine-tuned checkpoint of a family."""
    names = dict(enumerate(LABELS))
    network(family, id2label=names, label2id={name: i for i, name in names.items()}).save_pretrained(folder)
    TOKENIZERS[family]().save_pretrained(folder)
    teacher = Weights(path=str(folder), finetuned=True)
    return {"teacher": teacher, "student": Weights(from_teacher=True), "max_length": 16}


def tried(overrides: Sequence[str], backbone: Mapping[str, Any], splits: Splits, root: Path) -> str:
    """ "" where an optimization works; else the line with which it is refused before anything is made."""
    config = composed(*overrides, "backbone=tiny")
    config = shrunk(replace(config, backbone=replace(config.backbone, **backbone)))
    context = Context(splits, config.backbone, 0)
    try:
        check_order(config.optim, config.backbone, task=splits.task.name)
        check_steps(config.optim, context)
    except UserError as error:
        assert "\n" not in str(error)
        return str(error)
    with quick_training():
        made = run_steps(config.optim, context, Store(root))
    classifier = load(made.artifact, 1)
    alone = np.concatenate([classifier.logits([text]) for text in TEXTS])
    assert alone.shape == (len(TEXTS), len(LABELS)) and np.isfinite(alone).all()
    if classifier.description.batched:
        np.testing.assert_allclose(classifier.logits(TEXTS), alone, atol=1e-4)
    return ""
