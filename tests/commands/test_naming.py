"""With steps added or taken away on the command line, an optimization is another one: it has another name."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline.config import Config
from pipeline.steps.base import Context
from pipeline.steps.execute import StepsResult
from pipeline.steps.store import Stage
from pipeline.tracking.identity import base_models, is_baseline


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["optim=baseline"], "baseline"),
        (["optim=baseline", "+step@optim.steps.q=quantize_torch_dynamic"], "baseline-q"),
        (["optim=distillation_onnx", "~optim.steps.export"], "distillation_onnx-no-export"),
        (["optim=baseline", "+step@optim.steps.q=quantize_torch_dynamic", "optim.name=mine"], "mine"),
    ],
)
def test_a_composed_optimization_has_a_name_of_its_own(
    overrides: list[str], name: str, compose: Callable[..., Config]
) -> None:
    assert compose("backbone=tiny", *overrides).optim.name == name


def test_only_what_makes_the_baseline_to_the_byte_is_the_baseline(compose: Callable[..., Config], tiny: list[str]) -> None:
    config = compose("optim=baseline", *tiny)
    context = Context(config.data.load(config.seed), config.backbone, config.seed)
    assert is_baseline(config, context, config.optim)
    (step,) = config.optim.steps.values()
    other = replace(config.optim, steps={"finetune": replace(step, model="student")})  # type: ignore[call-arg]
    assert not is_baseline(config, context, other)


@pytest.mark.parametrize(
    ("overrides", "models"),
    [
        (["optim=baseline", "backbone=bert_base"], ("google-bert/bert-base-uncased",)),
        (["optim=distillation", "backbone=bert_base"], ("distilbert/distilbert-base-uncased",)),
        (["optim=distillation", "backbone=book"], ("transformersbook/distilbert-base-uncased-distilled-clinc",)),
        (["optim=distillation", "backbone=minilm"], ("sentence-transformers/all-MiniLM-L6-v2",)),
        (["optim=distilbert", "backbone=tiny"], ()),
    ],
)
def test_the_model_card_names_the_weights_that_were_used(
    overrides: list[str], models: tuple[str, ...], compose: Callable[..., Config]
) -> None:
    assert base_models(compose(*overrides)) == models


def test_a_later_step_makes_the_metrics_of_the_artifact_before_untrue() -> None:
    def stage(**metrics: float) -> Stage:
        return Stage(None, {"notes": {"metrics": metrics}}, reused=True)  # type: ignore[arg-type]  # it is not read

    pruned, exported = stage(**{"prune/sparsity": 0.6, "prune/epochs": 3.0}), stage(**{"export/max_difference": 1e-6})
    assert StepsResult(None, "", (pruned,)).metrics == {"prune/sparsity": 0.6, "prune/epochs": 3.0}  # type: ignore[arg-type]
    metrics = StepsResult(None, "", (pruned, exported)).metrics  # type: ignore[arg-type]
    assert metrics == {"prune/epochs": 3.0, "export/max_difference": 1e-6}
