"""Distillation: the loss is the formula, batches meet their own logits, a student has the layers it was told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from pipeline.config import Config
from pipeline.distillation import layer_stack, loss, objective, shallower
from pipeline.errors import OptimizationError
from pipeline.training import train
from tests.test_training import RECIPE, equal, weights

SIZES = {"vocab_size": 50, "hidden_size": 12, "num_hidden_layers": 6, "num_attention_heads": 2, "intermediate_size": 20}
NETWORKS: dict[str, Callable[[], Any]] = {
    "bert": lambda: transformers.BertForSequenceClassification(transformers.BertConfig(**SIZES)),
    "roberta": lambda: transformers.RobertaForSequenceClassification(transformers.RobertaConfig(**SIZES)),
    "distilbert": lambda: transformers.DistilBertForSequenceClassification(
        transformers.DistilBertConfig(vocab_size=50, dim=12, n_layers=6, n_heads=2, hidden_dim=20)
    ),
}


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits of a student and of its teacher, and labels, for 6 texts of 4 classes."""
    torch.manual_seed(seed)
    return torch.randn(6, 4) * 2, torch.randn(6, 4) * 3, torch.randint(4, (6,))


def by_the_formula(student: np.ndarray, teacher: np.ndarray, labels: np.ndarray, alpha: float, temperature: float) -> float:
    """alpha * CE + (1 - alpha) * T^2 * sum of p * ln(p / q), text by text."""

    def softmax(logits: np.ndarray) -> np.ndarray:
        powers = np.exp(logits.astype(np.float64))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    hard = [-np.log(softmax(student)[i, label]) for i, label in enumerate(labels)]
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    soft = [sum(p[i, k] * np.log(p[i, k] / q[i, k]) for k in range(p.shape[1])) for i in range(len(labels))]
    return float(np.mean([alpha * h + (1 - alpha) * temperature**2 * s for h, s in zip(hard, soft, strict=True)]))


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.7, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0, 20.0])
def test_the_loss_is_that_of_a_second_implementation(alpha: float, temperature: float) -> None:
    for seed in range(3):
        student, teacher, labels = batch(seed)
        expected = by_the_formula(student.numpy(), teacher.numpy(), labels.numpy(), alpha, temperature)
        assert loss(student, teacher, labels, alpha, temperature).item() == pytest.approx(expected, rel=1e-4)


def test_the_loss_of_one_text_worked_out_by_hand() -> None:
    teacher = torch.tensor([[2 * np.log(3), 0.0]])  # 0.75 and 0.25 at a temperature of 2
    value = loss(torch.zeros(1, 2), teacher.float(), torch.tensor([0]), alpha=0.25, temperature=2.0)
    assert value.item() == pytest.approx(0.565723, abs=1e-6)  # 0.25 * 0.693147 + 0.75 * 4 * 0.130812


def test_with_alpha_1_only_the_labels_count_and_with_alpha_0_only_the_teacher() -> None:
    student, teacher, labels = batch()
    hard = torch.nn.functional.cross_entropy(student, labels)
    assert loss(student, teacher, labels, 1.0, 5.0).item() == pytest.approx(hard.item())
    assert loss(student, teacher, labels, 0.0, 5.0) == loss(student, teacher, (labels + 1) % 4, 0.0, 5.0)
    assert loss(teacher, teacher, labels, 0.0, 5.0).item() == pytest.approx(0, abs=1e-5)


def test_the_teachers_pull_hardly_depends_on_a_high_temperature() -> None:
    pulls = []
    for temperature in (10.0, 20.0):
        student, teacher, labels = batch()
        loss(student.requires_grad_(), teacher, labels, 0.0, temperature).backward()  # type: ignore[no-untyped-call]
        assert student.grad is not None
        pulls.append(student.grad)
    assert torch.linalg.norm(pulls[0] - pulls[1]) < 0.15 * torch.linalg.norm(pulls[1])


def test_shuffled_batches_of_a_training_meet_the_teacher_logits_of_their_own_texts(
    compose: Callable[..., Config], tiny: list[str], tmp_path: Path
) -> None:
    from pipeline.backbone.models import start

    config = compose(*tiny)
    splits = config.data.load(0)  # type: ignore[attr-defined]
    teacher = np.random.default_rng(0).normal(size=(len(splits.train), 3)).astype(np.float32)
    goal, seen = objective(teacher, 0.3, 2.0), []

    def checked(logits: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        assert labels.tolist() == [splits.train["label"][row] for row in rows.tolist()]
        value = goal(logits, labels, rows)
        assert torch.equal(value, loss(logits, torch.tensor(teacher[rows.numpy()]), labels, 0.3, 2.0))
        seen.append(rows.tolist())
        return value

    model, tokenizer = start(config.backbone, "teacher", splits.labels, 0)
    train(model, tokenizer, splits.train, splits.validation, replace(RECIPE, epochs=1), tmp_path, checked)
    order = [row for rows in seen for row in rows]
    assert sorted(order) == list(range(len(splits.train))) != order


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize(("layers", "kept"), [(None, [1, 3, 5]), ([0, 5], [0, 5]), ([4], [4])])
def test_a_shallower_network_has_the_layers_it_was_told_and_the_rest_of_its_teacher(
    kind: str, layers: list[int] | None, kept: list[int]
) -> None:
    teacher = NETWORKS[kind]().eval()
    before = weights(teacher)
    student = shallower(teacher, layers)
    assert equal(weights(teacher), before) and teacher.config.num_hidden_layers == 6
    assert student.config.num_hidden_layers == len(layer_stack(student).layer) == len(kept)
    for ours, theirs in enumerate(kept):
        assert equal(weights(layer_stack(student).layer[ours]), weights(layer_stack(teacher).layer[theirs]))
    rest = {name: tensor for name, tensor in before.items() if ".layer." not in name}
    assert equal({name: tensor for name, tensor in weights(student).items() if ".layer." not in name}, rest)
    with torch.no_grad():
        student.get_parameter(next(iter(rest))).zero_()
    assert equal(weights(teacher), before)
    assert type(student)(student.config).load_state_dict(student.state_dict())  # its configuration says what it is


def test_without_layers_every_second_one_is_kept_and_the_last_among_them() -> None:
    for count, kept in ((1, [0]), (2, [1]), (3, [0, 2]), (4, [1, 3]), (5, [0, 2, 4])):
        teacher = transformers.BertForSequenceClassification(
            transformers.BertConfig(**{**SIZES, "num_hidden_layers": count})
        )
        student = shallower(teacher, None)
        theirs = [weights(layer) for layer in layer_stack(teacher).layer]
        assert all(equal(weights(layer), theirs[i]) for i, layer in zip(kept, layer_stack(student).layer, strict=True))


@pytest.mark.parametrize("layers", [[6], [-1], [], [2, 2]])
def test_layers_that_are_not_there_are_one_line(layers: list[int]) -> None:
    with pytest.raises(
        OptimizationError, match=r"^(.*: )?layers=\[.*\]: choose different ones of 0 to 5; .*has 6 layers.*$"
    ):
        shallower(NETWORKS["bert"](), layers)
