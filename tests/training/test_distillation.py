"""Distillation: the losses are the formulas, batches meet their own logits."""

import copy
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from pipeline.config import Config
from pipeline.errors import OptimizationError
from pipeline.models.layers import layer_list
from pipeline.models.pooling import pool
from pipeline.tasks import SINGLE_LABEL
from pipeline.tasks.losses import softmax_distillation as loss
from pipeline.training.distillation import (
    Distillation,
    HiddenStateCache,
    hidden_loss,
    map_token_ids,
    relation_loss,
    split_by_text,
)
from pipeline.training.trainer import train
from tests.training.test_trainer import RECIPE

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


@pytest.mark.slow
def test_shuffled_batches_of_a_training_meet_the_teacher_logits_of_their_own_texts(
    compose: Callable[..., Config], tiny: list[str], tmp_path: Path
) -> None:
    from pipeline.models.build import start

    config = compose(*tiny)
    splits = config.data.load(0)
    teacher = np.random.default_rng(0).normal(size=(len(splits.train), 3)).astype(np.float32)
    seen: list[list[int]] = []

    class Checked(Distillation):
        def __call__(self, outputs: Any, inputs: Any, labels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            assert labels.tolist() == [splits.train["label"][row] for row in rows.tolist()]
            value = super().__call__(outputs, inputs, labels, rows)
            assert torch.equal(value, loss(outputs.logits, torch.tensor(teacher[rows.numpy()]), labels, 0.3, 2.0))
            seen.append(rows.tolist())
            return value

    model, tokenizer = start(config.backbone, "teacher", splits.labels, 0)
    train(model, tokenizer, splits.train, splits.validation, replace(RECIPE, epochs=1), tmp_path, Checked(teacher, 0.3, 2.0))
    order = [row for rows in seen for row in rows]
    assert sorted(order) == list(range(len(splits.train))) != order


def test_a_text_without_a_label_is_learned_from_the_teacher_only() -> None:
    student, teacher, labels = batch()
    some = labels.clone()
    some[1:] = -100
    hard = torch.nn.functional.cross_entropy(student[:1], labels[:1]) / len(labels)
    assert loss(student, teacher, some, 1.0, 2.0).item() == pytest.approx(hard.item())
    none = torch.full_like(labels, -100)
    assert torch.equal(loss(student, teacher, none, 0.0, 2.0), loss(student, teacher, labels, 0.0, 2.0))


def test_a_text_counts_in_the_loss_on_labels_as_much_as_its_class_weighs() -> None:
    student, teacher, labels = batch()
    labels[0] = -100
    weights = torch.tensor([0.5, 3.0, 0.0, 1.0])
    each = torch.nn.functional.cross_entropy(student[1:], labels[1:], reduction="none") * weights[labels[1:]]
    soft = loss(student, teacher, labels, 0.0, 2.0)
    weighted = loss(student, teacher, labels, 0.25, 2.0, weights)
    assert weighted.item() == pytest.approx(0.25 * each.sum().item() / 6 + 0.75 * soft.item(), rel=1e-5)
    rows = torch.arange(6)
    goal = Distillation(teacher.numpy(), 0.25, 2.0, SINGLE_LABEL, weights.numpy())
    assert torch.equal(goal(types.SimpleNamespace(logits=student), {}, labels, rows), weighted)


def test_hidden_states_are_compared_layer_by_layer_and_padding_is_left_out() -> None:
    teacher = [torch.full((1, 2, 3), float(layer)) for layer in range(3)]
    student = [state + layer for layer, state in enumerate(teacher)]
    both, first = torch.tensor([[True, True]]), torch.tensor([[True, False]])
    assert hidden_loss(student, split_by_text(teacher, both), both).item() == pytest.approx(0 + 1 + 4)
    student[1] = torch.cat([student[1][:, :1], torch.full((1, 1, 3), 1e6)], dim=1)
    assert hidden_loss(student, split_by_text(teacher, first), first).item() == pytest.approx(5)
    student[2] = torch.full((1, 1, 3), 7.0)  # what pooling has made of the last states: compared with the mean of the others
    teacher[2] = torch.tensor([[[5.0] * 3, [1e6] * 3]])
    assert hidden_loss(student, split_by_text(teacher, first), first).item() == pytest.approx(0 + 1 + 4)


def test_a_teacher_is_asked_once_for_each_text_that_there_is_room_for() -> None:
    asked: list[list[int]] = []

    def ask(rows: list[int]) -> Any:
        def give(missing: list[int]) -> list[list[torch.Tensor]]:
            asked.append([rows[place] for place in missing])
            return [[torch.full((2, 4), float(rows[place]))] for place in missing]

        return give

    memory = HiddenStateCache(room=3 * 2 * 4 * 4)  # bytes: of three texts
    for rows in ([5, 2], [2, 7, 5], [9, 7], [9, 2]):
        found = memory.get(rows, ask(rows))
        assert [int(states[0][0, 0]) for states in found] == rows
    assert asked == [[5, 2], [7], [9], [9]]


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_the_loss_of_remembered_states_is_that_of_computed_ones(pooling: str) -> None:
    teacher = pool(NETWORKS["bert"](), pooling).eval()
    student = pool(NETWORKS["bert"](), pooling).eval()
    inputs = {"input_ids": torch.tensor([[1, 2, 3], [4, 5, 0]]), "attention_mask": torch.tensor([[1, 1, 1], [1, 1, 0]])}
    goal = Distillation(np.zeros((2, 2), np.float32), 0.0, 1.0).add_layer_losses(student, teacher, hidden=1.0, relations=0.0)
    labels, rows = torch.tensor([0, 1]), torch.tensor([0, 1])
    computed = goal(student(**inputs, **goal.forward_arguments), inputs, labels, rows)
    teacher.forward = None
    remembered = goal(student(**inputs, **goal.forward_arguments), inputs, labels, rows)
    assert remembered.item() == pytest.approx(computed.item()) and computed > 0.1


def test_relations_are_the_same_for_the_same_states_and_padding_does_not_count() -> None:
    torch.manual_seed(0)
    states = [torch.randn(2, 4, 24) for _ in range(3)]
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    assert relation_loss(states, [state.clone() for state in states], mask, 4).item() == pytest.approx(0, abs=1e-6)
    other = [torch.randn(2, 4, 48) for _ in range(3)]  # of another width
    apart = relation_loss(states, other, mask, 4)
    assert apart > 0.01
    filled = [torch.where(mask[:, :, None], state, 1e3) for state in states]
    assert torch.allclose(relation_loss(filled, other, mask, 4), apart, rtol=1e-4)


def test_a_teacher_is_asked_with_its_own_ids_for_the_pieces_of_a_smaller_vocabulary() -> None:
    teacher = NETWORKS["bert"]().eval()
    student = copy.deepcopy(teacher)
    rows = student.bert.embeddings.word_embeddings
    rows.weight = torch.nn.Parameter(rows.weight[[3, 7, 20]].detach().clone())
    ids = map_token_ids({"a": 0, "b": 1, "c": 2}, {"x": 0, "a": 3, "b": 7, "c": 20})
    inputs = {"input_ids": torch.tensor([[2, 0, 1]]), "attention_mask": torch.ones(1, 3, dtype=torch.int64)}
    logits, first = student(**inputs).logits.detach(), torch.tensor([0])
    goal = Distillation(logits.numpy(), 0.0, 1.0).add_layer_losses(student, teacher, hidden=1.0, relations=0.0, ids=ids)
    assert goal(student(**inputs, **goal.forward_arguments), inputs, first, first).item() == pytest.approx(0, abs=1e-6)
    assert map_token_ids({"a": 0, "b": 1}, {"a": 0, "b": 1}) is None
    with pytest.raises(OptimizationError, match="another vocabulary; set hidden_loss_weight=0"):
        map_token_ids({"a": 0, "z": 1}, {"a": 0, "b": 1})


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_a_student_that_is_its_teacher_has_nothing_to_learn_of_states_and_relations(pooling: str) -> None:
    teacher = pool(NETWORKS["bert"](), pooling).eval()
    student = copy.deepcopy(teacher)
    inputs = {"input_ids": torch.tensor([[1, 2, 3], [4, 5, 0]]), "attention_mask": torch.tensor([[1, 1, 1], [1, 1, 0]])}
    logits = teacher(**inputs).logits.detach()
    goal = Distillation(logits.numpy(), 0.0, 1.0).add_layer_losses(student, teacher, hidden=1.0, relations=1.0)
    labels, rows = torch.tensor([0, 1]), torch.tensor([0, 1])
    assert goal(student(**inputs, **goal.forward_arguments), inputs, labels, rows).item() == pytest.approx(0, abs=1e-5)
    layer_list(student)[-1].attention.self.query.weight.data.mul_(3)
    assert goal(student(**inputs, **goal.forward_arguments), inputs, labels, rows) > 2e-5
    goal.close()
    watched = (layer_list(model)[-1].attention.self.query for model in (student, teacher))
    assert not any(module._forward_hooks for module in watched)


def test_states_of_another_width_are_one_line() -> None:
    teacher = NETWORKS["bert"]()
    student = transformers.BertForSequenceClassification(transformers.BertConfig(**{**SIZES, "hidden_size": 24}))
    with pytest.raises(OptimizationError, match="set hidden_loss_weight=0"):
        Distillation(np.zeros((1, 2), np.float32), 0.0, 1.0).add_layer_losses(student, teacher, hidden=1.0, relations=0.0)
