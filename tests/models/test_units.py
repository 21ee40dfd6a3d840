"""Structured pruning: what matters is what finite differences say, and a smaller network computes what it should."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from pipeline.config import Config
from pipeline.errors import OptimizationError
from pipeline.models.layers import layers
from pipeline.models.units import Units, importance, prune, select
from pipeline.runtimes.base import load
from pipeline.runtimes.compact import FILE
from pipeline.runtimes.torch import read, save
from pipeline.steps.base import Context
from pipeline.steps.execute import check_order
from pipeline.steps.prune_structured import PruneStructured
from pipeline.training.trainer import Progress
from tests.runtimes.test_compact import HEAD, KEPT, LABELS, NETWORKS, TEXTS, network, smaller, stored

IDS = torch.tensor([[2, 20, 84, 73, 97, 5, 3], [2, 33, 40, 3, 0, 0, 0], [2, 9, 21, 50, 3, 0, 0]])
BATCH = {"input_ids": IDS, "attention_mask": (IDS != 0).long(), "labels": torch.tensor([0, 2, 1])}


def logits(model: Any, attention: str = "sdpa") -> torch.Tensor:
    model.set_attn_implementation(attention)
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=IDS, attention_mask=BATCH["attention_mask"]).logits
    return found


def losses(model: Any) -> torch.Tensor:
    """The cross-entropy of each text, one after the other."""
    with torch.inference_mode():
        each = [
            torch.nn.functional.cross_entropy(model(ids[None, :length]).logits, label[None])
            for ids, length, label in zip(IDS, BATCH["attention_mask"].sum(1), BATCH["labels"], strict=True)
        ]
    return torch.stack(each)


def by_differences(model: Any, weight: torch.Tensor, size: int) -> torch.Tensor:
    """Mean over texts of |dL/dg| for gates on the inputs of a matrix, `size` columns each, by central differences."""
    found = []
    for column in range(0, weight.shape[1], size):
        part, old = slice(column, column + size), weight[:, column : column + size].clone()
        sides = []
        for factor in (1 + 1e-5, 1 - 1e-5):
            weight[:, part] = old * factor
            sides.append(losses(model))
        weight[:, part] = old
        found.append(((sides[0] - sides[1]) / 2e-5).abs().mean())
    return torch.stack(found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_importance_is_what_finite_differences_of_each_texts_loss_say(kind: str) -> None:
    model = network(kind).double().requires_grad_(False)
    halves = [{name: tensor[rows] for name, tensor in BATCH.items()} for rows in (slice(0, 2), slice(2, 3))]
    for scores, layer in zip(importance(model, halves), layers(model), strict=True):
        for found, part, size in (
            (scores.heads, layer.kind.mixed, layer.head_size), (scores.neurons, layer.kind.outer, 1),
        ):  # fmt: skip
            expected = by_differences(model, layer.part(part).weight.data, size)
            torch.testing.assert_close(found, expected / expected.norm(), rtol=1e-4, atol=1e-6)


def test_the_most_important_units_of_all_layers_are_kept_and_some_of_each() -> None:
    heads = [torch.tensor([0.9, 0.1, 0.4, 0.3]), torch.tensor([0.2, 0.8, 0.7, 0.6]), torch.tensor([0.05, 0.02, 0.03, 0.04])]
    neurons = [torch.arange(40) / 100 + 0.5, torch.arange(40, 0, -1) / 100, torch.zeros(40)]
    kept = select([Units(*pair) for pair in zip(heads, neurons, strict=True)], heads_kept=0.5, neurons_kept=0.5)
    assert [units.heads.tolist() for units in kept] == [[0, 2], [1, 2, 3], [0]]
    # 60 of 120: all 40 of the first layer, 19 of the second and one of the third, which are 16 and 8 in multiples of 8
    assert [units.neurons.tolist() for units in kept] == [list(range(40)), list(range(16)), list(range(8))]
    least = select([Units(*pair) for pair in zip(heads, neurons, strict=True)], heads_kept=0.01, neurons_kept=0.01)
    assert [(len(units.heads), len(units.neurons)) for units in least] == [(1, 8)] * 3


@pytest.mark.parametrize("kind", NETWORKS)
def test_removing_nothing_changes_nothing(kind: str) -> None:
    model, before = network(kind), network(kind)
    prune(model, select(importance(model, [BATCH]), 1.0, 1.0))
    assert all(torch.equal(tensor, before.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(logits(model), logits(before))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_smaller_network_computes_what_the_whole_one_does_without_those_heads_and_neurons(
    kind: str, attention: str
) -> None:
    model = network(kind)
    for layer, (heads, neurons) in zip(layers(model), KEPT, strict=True):
        with torch.no_grad():
            for head in set(range(4)) - set(heads):
                layer.part(layer.kind.mixed).weight[:, 8 * head : 8 * head + 8] = 0
            layer.part(layer.kind.outer).weight[:, [i for i in range(48) if i not in neurons]] = 0
    small = smaller(kind)
    torch.testing.assert_close(logits(small, attention), logits(model, attention), rtol=1e-5, atol=1e-5)
    assert [(layer.heads, layer.neurons) for layer in layers(small)] == [(3, 24), (1, 16), (4, 48)]
    for layer, (heads, _) in zip(layers(small), KEPT, strict=True):
        assert layer.kind.counts is not None
        assert [getattr(layer.attention, name) for name in layer.kind.counts] == [len(heads), 8 * len(heads)]


def test_a_smaller_network_can_be_made_smaller_again_and_still_trains() -> None:
    model = smaller()
    prune(model, select(importance(model, [BATCH]), 0.5, 0.5))
    assert sum(layer.heads for layer in layers(model)) == 4
    model.train()(**BATCH).loss.backward()
    assert all(parameter.grad is not None and parameter.grad.shape == parameter.shape for parameter in model.parameters())


@pytest.fixture
def context(compose: Callable[..., Config], tiny: list[str], tmp_path: Path) -> Context:
    """The toy data and a network to prune."""
    config = compose(*tiny)
    splits = config.data.load(config.seed)
    return Context(splits, config.backbone, config.seed, stored(network(), tmp_path / "source", save))


def made(step: PruneStructured, context: Context, scratch: Path) -> tuple[Path, dict[str, Any]]:
    artifact = scratch.with_name(f"{scratch.name}-artifact")
    artifact.mkdir()
    scratch.mkdir(exist_ok=True)
    return artifact, step.make(context, artifact, scratch)


@pytest.mark.slow
def test_the_step_counts_what_is_left_and_says_how_the_training_went(context: Context, tmp_path: Path) -> None:
    step = PruneStructured(heads_kept=0.5, neurons_kept=0.25, epochs=2, bfloat16="never", importance_samples=40)
    artifact, notes = made(step, context, tmp_path / "scratch")
    model = read(artifact)
    heads = [layer.part(layer.kind.heads[0].name).weight.shape[0] // 8 for layer in layers(model)]
    neurons = [layer.part(layer.kind.neurons[0].name).weight.shape[0] for layer in layers(model)]
    assert sum(heads) == 6 and all(count % 8 == 0 for count in neurons) and sum(neurons) < 72
    rows = [8 * count for count in heads]
    parameters = sum(
        3 * (32 * r + r) + 32 * r + 32 + 32 * n + n + 32 * n + 32 + 4 * 32 for r, n in zip(rows, neurons, strict=True)
    )
    assert notes["metrics"] == {
        "prune/heads_kept": 0.5,
        "prune/neurons_kept": sum(neurons) / 144,
        "prune/parameters_kept": pytest.approx(parameters / (3 * (4 * 33 * 32 + 33 * 48 + 49 * 32 + 4 * 32))),
    }
    assert [entry["epoch"] for entry in notes["curves"]] == [1, 2]
    assert load(artifact, 1).logits(TEXTS).shape == (4, len(LABELS))


class Interrupted(Progress):
    """Ctrl-C in the second epoch, after its first step."""

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        super().on_step_end(args, state, control, **rest)
        if state.epoch > 1:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_an_interrupted_step_that_goes_on_writes_the_bytes_of_one_that_was_not(
    context: Context, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    step = PruneStructured(epochs=2, bfloat16="never", importance_samples=40, learning_rate=1e-3)
    whole, notes = made(step, context, tmp_path / "whole")
    scratch = tmp_path / "interrupted"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pipeline.training.trainer.Progress", Interrupted)
        made(step, context, scratch)
    (tmp_path / "interrupted-artifact").rmdir()
    with caplog.at_level("INFO", logger="pipeline"):
        artifact, same = made(step, context, scratch)
    assert "resuming the interrupted training" in caplog.text
    assert (artifact / FILE).read_bytes() == (whole / FILE).read_bytes() and same == notes


def test_a_network_that_is_built_otherwise_is_refused_in_one_line(context: Context, tmp_path: Path) -> None:
    gpt2 = transformers.GPT2Config(vocab_size=141, n_embd=16, n_layer=1, n_head=2, pad_token_id=0, **HEAD)
    assert context.source is not None
    stored(transformers.GPT2ForSequenceClassification(gpt2), context.source.with_name("gpt2"), save)
    other = Context(context.splits, context.backbone, context.seed, context.source.with_name("gpt2"))
    with pytest.raises(OptimizationError, match="network of type 'gpt2' has its layers is not known") as caught:
        made(PruneStructured(), other, tmp_path / "scratch")
    assert "\n" not in str(caught.value)


def test_structured_pruning_is_a_config(compose: Callable[..., Config], tiny: list[str]) -> None:
    config = compose("optim=structured_pruning", *tiny, "optim.steps.prune.heads_kept=0.3")
    check_order(config.optim, config.backbone)
    assert config.optim.name == "structured_pruning" and list(config.optim.steps) == ["finetune", "prune"]
    step = config.optim.steps["prune"]
    assert isinstance(step, PruneStructured) and step == PruneStructured("prune_structured", heads_kept=0.3)
