"""The table of architectures: what it says of a family is so, and what can be made of it works or is refused before."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.data.splits import Splits
from pipeline.models.architectures import ARCHITECTURES, BEHIND_PADDING, architecture_of
from pipeline.models.fitting import fit, padded
from pipeline.models.layers import layer_list, layers
from pipeline.models.pooling import pool, pooling_of
from pipeline.models.positions import first_position, position_table
from pipeline.models.students import every_second_layer, student_from_layers
from pipeline.models.units import Units, importance, prune, select
from pipeline.training.distillation import Distillation
from tests.support.families import network
from tests.support.matrix import ANY_OTHER, OPTIMS, TESTED, row_of, toy_splits, written

IDS = torch.tensor([[5, 20, 84, 73, 97, 6, 7], [8, 33, 40, 9, 1, 1, 1]])
KEPT = [([0, 2, 3], range(8, 32)), ([1], range(16)), ([0, 1, 3], range(64))]  # heads and neurons of each layer


def logits(model: Any) -> torch.Tensor:
    mask = torch.ones_like(IDS)
    mask[1, 4:] = 0
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS, attention_mask=mask).logits
    return found


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_a_pruned_network_of_each_family_computes_what_the_whole_one_does_without_those_parts(family: str) -> None:
    model = network(family)
    batch = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS), "labels": torch.tensor([0, 2])}
    scores = importance(model, [batch])
    assert [(len(each.heads), len(each.neurons)) for each in scores] == [(4, 64)] * len(layers(model))
    same = copy.deepcopy(model)
    prune(same, select(scores, 1.0, 1.0))
    assert torch.equal(logits(same), logits(model))
    small, kept = copy.deepcopy(model), [Units(torch.tensor(heads), torch.tensor(neurons)) for heads, neurons in KEPT]
    for layer, units in zip(layers(model), kept, strict=False):
        with torch.no_grad():
            for head in set(range(4)) - set(units.heads.tolist()):
                layer.part(layer.kind.mixed).weight[:, 8 * head : 8 * head + 8] = 0
            silent = [i for i in range(64) if i not in units.neurons.tolist()]
            layer.part(layer.kind.outer).weight[:, silent] = 0
    prune(small, kept[: len(layers(small))])
    expected = logits(model)
    torch.testing.assert_close(logits(small), expected, rtol=1e-4, atol=1e-5)
    whole = network(family, seed=1)
    fit(whole, padded(small, whole))  # the form that transformers loads
    torch.testing.assert_close(logits(whole), expected, rtol=1e-4, atol=1e-5)
    stored = network(family, seed=1)
    fit(stored, copy.deepcopy(small).state_dict())
    assert torch.equal(logits(stored), logits(small))
    prune(small, select(importance(small, [batch]), 0.5, 0.5))  # once more
    assert sum(layer.heads for layer in layers(small)) < sum(layer.heads for layer in layers(stored))
    small(**batch).loss.backward()


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_students_of_each_family_have_its_layers_and_its_configuration(family: str) -> None:
    teacher = network(family)
    kind = architecture_of(teacher.config)
    assert kind is not None
    student, half = student_from_layers(teacher, [1, 2]), every_second_layer(teacher)
    assert student.config.model_type == family and half.config.num_hidden_layers == 2
    assert half.config.model_type == ("distilbert" if family == "bert" else family)
    for made in (student, half.eval()):
        rebuilt = type(made)(made.config).eval()
        rebuilt.load_state_dict(made.state_dict())
        assert torch.equal(logits(rebuilt), logits(made))
    if not kind.shared and not kind.first_norm:
        ours, theirs = (layer_list(each).state_dict() for each in (student, teacher))
        assert all(torch.equal(tensor, theirs[f"{int(name[0]) + 1}{name[1:]}"]) for name, tensor in ours.items())


@pytest.mark.parametrize("family", ["bert", "albert", "deberta", "deberta-v2", "modernbert"])
def test_relations_are_those_of_the_last_layers_queries_keys_and_values(family: str) -> None:
    teacher = network(family)
    student, inputs = copy.deepcopy(teacher), {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
    labels = rows = torch.tensor([0, 1])
    goal = Distillation(logits(teacher).numpy(), 0.0, 1.0).add_layer_losses(student, teacher, hidden=0.0, relations=1.0)
    same = Distillation(logits(teacher).numpy(), 0.0, 1.0)
    for factor, least, most in ((1, 0.0, 1e-6), (30, 1e-5, 1e4)):
        with torch.no_grad():
            layers(student)[-1].projections[0].weight *= factor
        outputs = student(**inputs)
        more = goal(outputs, inputs, labels, rows) - same(outputs, inputs, labels, rows)
        assert least <= more.abs().item() <= most
    goal.close()


def test_queries_keys_and_values_of_one_matrix_are_told_apart_as_the_networks_do_it() -> None:
    joined = torch.randn(2, 5, 3 * 32)
    deberta, modern = (layers(network(family))[0] for family in ("deberta", "modernbert"))
    theirs = deberta.attention.transpose_for_scores(joined).chunk(3, dim=-1)
    for ours, other in zip(deberta.queries_keys_values([joined]), theirs, strict=True):
        assert torch.equal(ours, other.transpose(1, 2).flatten(2))
    theirs = joined.view(2, 5, 3, -1, modern.head_size).unbind(-3)
    for ours, other in zip(modern.queries_keys_values([joined]), theirs, strict=True):
        assert torch.equal(ours, other.flatten(2))


def test_a_modern_students_first_layer_has_its_norm_in_the_matrix_behind_it() -> None:
    teacher = network("modernbert")
    with torch.no_grad():
        teacher.model.embeddings.norm.weight.fill_(1)  # then what the first layer gets is normalised already
    expected = copy.deepcopy(teacher)
    del expected.model.layers[0]
    student = student_from_layers(teacher, [1, 2])
    torch.testing.assert_close(logits(student), logits(expected), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_the_row_of_each_family_says_where_its_parts_are(family: str) -> None:
    model = network(family)
    kind, table = ARCHITECTURES[family], position_table(model)
    assert (table is not None) == kind.positions.startswith("absolute")
    if table is not None:
        behind = kind.positions.startswith(BEHIND_PADDING)
        assert first_position(table[1]) == (model.config.pad_token_id + 1 if behind else 0)
    pooled = pool(copy.deepcopy(model), "mean")
    assert (pooling_of(pooled) == "mean") != bool(kind.pooling_setting)
    alone = torch.cat([one(pooled, IDS[:1]), one(pooled, IDS[1:, :4])])
    torch.testing.assert_close(logits(pooled), alone, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(alone, logits(model), atol=1e-2)
    if all(getattr(model.base_model, name, None) is None for name in kind.left_out):
        torch.testing.assert_close(one(pooled, IDS[:1, :1]), one(model, IDS[:1, :1]))  # of one token the mean is the first


def one(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Logits of one text without padding."""
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    return found


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    return toy_splits(tmp_path_factory.mktemp("matrix"))


def test_the_readme_has_a_row_for_each_architecture_and_for_any_other() -> None:
    said = written()
    assert list(said) == [*ARCHITECTURES, ANY_OTHER] and all(list(row) == list(OPTIMS) for row in said.values())
    refused = {family: {name for name, word in row.items() if word == "no"} for family, row in said.items()}
    assert refused.pop(ANY_OTHER) == {"half the layers", "student", "heads, neurons", "sparse", "low rank", "mean pooling"}
    assert set().union(*refused.values()) <= {"vocabulary"}


@pytest.mark.slow
@pytest.mark.parametrize("family", TESTED)
def test_each_technique_works_with_each_architecture_or_is_refused_before_anything_is_made(
    family: str, splits: Splits, tmp_path: Path
) -> None:
    found = row_of(family, splits, tmp_path, TESTED[family])
    said = written()[family]
    assert {name: "no" if line else "yes" for name, line in found.items()} == {name: said[name] for name in TESTED[family]}
