"""Students: a network of fewer layers, or narrower ones, has those of its teacher that it was told."""

import numpy as np
import pytest
import torch
import transformers
from datasets import Dataset

from pipeline.config import Backbone, Weights
from pipeline.errors import OptimizationError
from pipeline.models.build import start
from pipeline.models.layers import layer_list
from pipeline.models.layers import layers as layers_of
from pipeline.models.students import (
    evenly_spaced_layers,
    prune_by_importance,
    sample_batches,
    student_from_layers,
)
from tests.training.test_distillation import NETWORKS, SIZES
from tests.training.test_trainer import equal, weights


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize(("layers", "kept"), [(None, [1, 3, 5]), ([0, 5], [0, 5]), ([4], [4])])
def test_a_shallower_network_has_the_layers_it_was_told_and_the_rest_of_its_teacher(
    kind: str, layers: list[int] | None, kept: list[int]
) -> None:
    teacher = NETWORKS[kind]().eval()
    before = weights(teacher)
    student = student_from_layers(teacher, layers)
    assert equal(weights(teacher), before) and teacher.config.num_hidden_layers == 6
    assert student.config.num_hidden_layers == len(layer_list(student)) == len(kept)
    for ours, theirs in enumerate(kept):
        assert equal(weights(layer_list(student)[ours]), weights(layer_list(teacher)[theirs]))
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
        student = student_from_layers(teacher, None)
        theirs = [weights(layer) for layer in layer_list(teacher)]
        assert all(equal(weights(layer), theirs[i]) for i, layer in zip(kept, layer_list(student), strict=True))


@pytest.mark.parametrize("layers", [[6], [-1], [], [2, 2]])
def test_layers_that_are_not_there_are_one_line(layers: list[int]) -> None:
    with pytest.raises(
        OptimizationError, match=r"^(.*: )?layers=\[.*\]: choose different ones of 0 to 5; .*has 6 layers.*$"
    ):
        student_from_layers(NETWORKS["bert"](), layers)


@pytest.mark.parametrize(
    ("depth", "count", "kept"),
    [(1, 6, [5]), (2, 6, [2, 5]), (3, 6, [1, 3, 5]), (6, 6, [0, 1, 2, 3, 4, 5]), (4, 12, [2, 5, 8, 11])],
)
def test_a_depth_is_spread_evenly_over_the_teacher_and_ends_with_its_last_layer(
    depth: int, count: int, kept: list[int]
) -> None:
    assert evenly_spaced_layers(depth, count) == kept


def test_a_depth_is_that_many_layers_or_all_there_are() -> None:
    teacher = NETWORKS["bert"]()
    student = student_from_layers(teacher, None, depth=2)
    theirs = [weights(layer) for layer in layer_list(teacher)]
    assert all(equal(weights(layer), theirs[i]) for i, layer in zip([2, 5], layer_list(student), strict=True))
    assert len(layer_list(student_from_layers(teacher, None, depth=7))) == 6


def test_a_narrow_network_keeps_the_neurons_that_matter_and_computes_as_if_the_others_were_silent() -> None:
    data = Dataset.from_dict({"text": ["rain tomorrow", "play a song", "order a pizza"] * 4, "label": [0, 1, 2] * 4})
    weights_of = Weights(random=True)
    model, tokenizer = start(Backbone("tiny", weights_of, weights_of), "teacher", ["a", "b", "c"], 0)
    model.eval()
    silent = [layer.part(layer.kind.outer).weight for layer in layers_of(model)]
    with torch.no_grad():
        for weight in silent:
            weight[:, 8:] = 0  # only the first eight neurons of each layer do anything
    inputs = tokenizer(["rain"], return_tensors="pt")
    before = model(**inputs).logits
    prune_by_importance(model, sample_batches(model, tokenizer, data, 12, 16, 0), 1.0, 0.125)
    assert [layer.neurons for layer in layers_of(model)] == [8, 8]
    assert torch.allclose(model(**inputs).logits, before, atol=1e-5)


def test_batches_are_drawn_by_a_seed_and_have_their_labels() -> None:
    data = Dataset.from_dict({"text": [f"text {i}" for i in range(50)], "label": list(range(50))})
    model, tokenizer = start(Backbone("tiny", Weights(random=True)), "teacher", ["a", "b"], 0)
    drawn = [
        np.concatenate([each["labels"].numpy() for each in sample_batches(model, tokenizer, data, 40, 16, seed)])
        for seed in (0, 0, 1)
    ]
    assert (
        len(set(drawn[0].tolist())) == 40 and np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])
    )
