"""Each parameter gets its learning rate, and weight decay where the transformers Trainer gives it."""

from pathlib import Path
from typing import Any

import torch
import transformers

from pipeline.training import pruning
from pipeline.training.optimizer import adamw
from tests.training.test_pruning import network


def settings_of(model: Any, optimizer: torch.optim.Optimizer) -> dict[str, tuple[float, float]]:
    """Learning rate and weight decay of each parameter, by its name."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def test_rates_are_as_asked_for_and_the_same_parameters_decay_as_in_the_trainer(tmp_path: Path) -> None:
    model = network("bert")
    frozen = "bert.embeddings.word_embeddings.weight"
    model.get_parameter(frozen).requires_grad_(False)
    found = settings_of(model, adamw(model, 0.01, lambda name: 5e-4 if name.startswith("classifier.") else 5e-5))
    assert found.keys() == {name for name, _ in model.named_parameters()} - {frozen}
    assert {name for name, (rate, _) in found.items() if rate == 5e-4} == {"classifier.weight", "classifier.bias"}
    trainer = transformers.Trainer(model, transformers.TrainingArguments(str(tmp_path), report_to="none", use_cpu=True))
    decayed = set(trainer.get_decay_parameter_names(model)) - {frozen}
    assert {name for name, (_, decay) in found.items() if decay == 0.01} == decayed
    assert {decay for name, (_, decay) in found.items() if name not in decayed} == {0.0}


def test_scores_of_masks_have_a_rate_of_their_own_and_never_decay() -> None:
    model = network("distilbert")
    pruning.add_masks(model, "movement")
    found = settings_of(model, pruning.optimizer(model, 1e-4, 0.01))
    scores = {name: value for name, value in found.items() if name.endswith(".score")}
    assert len(scores) == 12 and set(scores.values()) == {(pruning.SCORE_LEARNING_RATE, 0.0)}
    assert {value for name, value in found.items() if name not in scores} == {(1e-4, 0.01), (1e-4, 0.0)}
