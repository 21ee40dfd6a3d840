"""The step `distill`: a teacher and its logits are made once, and a student learns from them."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from pipeline.config import Config, Optim, Weights
from pipeline.data.augmentation import Augment
from pipeline.errors import BackboneError, ConfigError, OptimizationError
from pipeline.models.layers import layer_list
from pipeline.runtimes.base import load
from pipeline.runtimes.torch import read
from pipeline.steps.base import Context
from pipeline.steps.distill import Distill, Search
from pipeline.steps.execute import StepsResult, check_order, plan, run_steps
from pipeline.steps.shared.transfer import read as read_transfer
from pipeline.steps.store import Stage, Store
from tests.conftest import small, with_trained

pytestmark = pytest.mark.slow

DISTILL = "optim.steps.distill"
Distilled = Callable[..., tuple[StepsResult, Context]]


@pytest.fixture
def distilled(compose: Callable[..., Config], root: Path, toy_csv: Path, trained: Path) -> Distilled:
    """Overrides, after short trainings of teacher and student -> what is made, and the context it is made in."""

    def make(*overrides: str) -> tuple[StepsResult, Context]:
        short = ["backbone.teacher.finetune.epochs=2", f"{DISTILL}.epochs=2"]
        config = compose("optim=distillation", *small(root, toy_csv), *short, *overrides)
        check_order(config.optim, config.backbone)
        context = Context(config.data.load(0), config.backbone, 0)
        distill = config.optim.steps["distill"]
        assert isinstance(distill, Distill)
        with_trained(distill.teacher, context, trained, root)
        return run_steps(config.optim, context, Store(root)), context

    return make


def by_kind(made: StepsResult, kind: str) -> Stage:
    """The stage of a kind among those that were needed before."""
    return next(stage for stage in made.before if stage.manifest["kind"] == kind)


def test_the_teacher_is_the_baselines_stage_and_its_logits_are_another_both_made_once(
    distilled: Distilled, compose: Callable[..., Config], root: Path, toy_csv: Path
) -> None:
    first, context = distilled()
    teacher, transfer = by_kind(first, "finetune"), by_kind(first, "transfer")
    bert = compose("optim=baseline", *small(root, toy_csv), "backbone.teacher.finetune.epochs=2")
    (baseline,) = run_steps(bert.optim, context, Store(root)).stages
    assert baseline.reused and baseline.directory == teacher.directory
    second, _ = distilled(f"{DISTILL}.temperature=5")
    assert second.artifact != first.artifact
    assert all(stage.reused for stage in second.before)
    assert by_kind(second, "finetune").directory == teacher.directory
    assert by_kind(second, "transfer").directory == transfer.directory
    assert len(list((root / "stages").glob("transfer-*"))) == len(list((root / "stages").glob("finetune-*"))) == 1
    classifier = load(teacher.artifact, 1)
    one_by_one = np.concatenate([classifier.logits([text]) for text in context.splits.train["text"]])
    texts, stored = read_transfer(transfer.artifact)
    assert texts.to_dict() == context.splits.train.to_dict()
    assert stored.dtype == np.float32 and np.allclose(stored, one_by_one, atol=1e-5)


@pytest.mark.parametrize(("pooling", "bfloat16"), [("first", "always"), ("mean", "never")])  # neither knows of the other
def test_hidden_states_and_relations_are_learned_besides_whatever_the_pooling_and_precision(
    distilled: Distilled, pooling: str, bfloat16: str
) -> None:
    common = (f"backbone.teacher.pooling={pooling}", f"{DISTILL}.bfloat16={bfloat16}", f"{DISTILL}.start=teacher")
    plain, more = (
        [epoch["train_loss"] for epoch in distilled(*common, *further)[0].stages[-1].manifest["notes"]["curves"]]
        for further in ([], [f"{DISTILL}.hidden_loss_weight=1", f"{DISTILL}.relation_loss_weight=1"])
    )
    assert np.isfinite(more).all() and all(with_more > without for with_more, without in zip(more, plain, strict=True))


def test_the_student_comes_closer_to_its_teacher_and_loads_with_transformers(distilled: Distilled) -> None:
    made, context = distilled(
        "backbone.teacher.finetune.learning_rate=5e-3", "backbone.teacher.finetune.epochs=15",
        "backbone.teacher.finetune.batch_size=8",
        f"{DISTILL}.learning_rate=2e-3", f"{DISTILL}.batch_size=8", f"{DISTILL}.epochs=15",
    )  # fmt: skip
    texts = list(context.splits.train["text"])
    student = load(made.artifact, 1)
    tokens = transformers.AutoTokenizer.from_pretrained(made.artifact)(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        after = read(made.artifact)(**tokens).logits
    assert np.allclose(student.logits(texts), after, atol=1e-4)
    served = transformers.pipeline("text-classification", model=str(made.artifact), device="cpu")
    assert [answer["label"] for answer in served(texts)] == [student.labels[i] for i in after.argmax(dim=1)]
    (curves,) = made.curves.values()
    assert [epoch["epoch"] for epoch in curves] == list(range(1, 16))
    assert curves[-1]["train_loss"] < 0.5 * curves[0]["train_loss"]  # of which epoch is kept validation decides


def test_a_students_fingerprint_knows_every_setting_its_search_and_its_teacher(
    compose: Callable[..., Config], tiny: list[str]
) -> None:
    config = compose("optim=distillation", *tiny)
    base = config.optim.steps["distill"]
    assert isinstance(base, Distill)
    other: dict[str, Any] = {
        "start": "student", "layers": [0], "depth": 1, "heads_kept": 0.5, "neurons_kept": 0.5, "hidden_loss_weight": 1.0,
        "relation_loss_weight": 1.0, "augment": Augment(copies=1),
        "alpha": 0.5, "temperature": 4.0, "epochs": 3, "learning_rate": 1e-4,
        "batch_size": 8, "weight_decay": 0.02, "warmup_ratio": 0.2, "freeze_embeddings": False, "bfloat16": "never",
        "dropout": 0.2, "search": Search(n_trials=2), "pooling": "mean", "head_lr_multiplier": 2.0,
        "best_by": "f1_macro",
    }  # fmt: skip
    weights = ("class_weights", "pos_weight")  # of the loss on labels
    assert {*other, *weights} == {item.name for item in fields(Distill)} - {"kind", "teacher"}
    context = Context(config.data.load(0), config.backbone, 0)
    teacher = context.backbone.teacher
    retrained = replace(context.backbone, teacher=replace(teacher, finetune=replace(teacher.finetune, epochs=3)))

    def fingerprint(step: Distill, context: Context = context) -> str:
        return plan(Optim("any", {"distill": step}), context)[-1].fingerprint

    seen = [
        fingerprint(base),
        *(fingerprint(replace(base, **{name: value})) for name, value in other.items()),
        *(fingerprint(replace(base, alpha=0.5, **{name: "balanced"})) for name in weights),  # type: ignore[arg-type]
        *(fingerprint(replace(base, search=Search(2, **{name: [1, 1]}))) for name in ("epochs", "alpha", "temperature")),  # type: ignore[arg-type]
        fingerprint(base, replace(context, backbone=retrained)),
        fingerprint(base, replace(context, seed=1)),
        fingerprint(base, replace(context, backbone=replace(context.backbone, max_length=32))),
        fingerprint(base, replace(context, splits=replace(context.splits, content_hash="0" * 64))),
    ]
    assert len(set(seen)) == len(seen)
    assert fingerprint(base) == fingerprint(replace(base, teacher=replace(base.teacher, name="renamed"))) == seen[0]


def test_a_student_starts_from_layers_of_the_fine_tuned_teacher_or_from_the_backbones_own(distilled: Distilled) -> None:
    layers, _ = distilled(f"{DISTILL}.start=teacher", f"{DISTILL}.layers=[0]")
    own, _ = distilled(f"{DISTILL}.start=student")
    student, teacher, other = (read(path) for path in (layers.artifact, by_kind(layers, "finetune").artifact, own.artifact))
    assert (student.config.model_type, len(layer_list(student))) == ("bert", 1)
    assert other.config.model_type == "distilbert"
    words = [model.base_model.get_input_embeddings().weight for model in (student, teacher)]
    assert torch.equal(words[0], words[1])


def test_a_quantized_teacher_has_no_layers_to_start_from_but_logits_to_learn_from(distilled: Distilled) -> None:
    quantized = f"+step@{DISTILL}.teacher.steps.quantize=quantize_torch_dynamic"
    with pytest.raises(OptimizationError, match=r"quantized or exported teacher can't .*; set start=student$"):
        distilled(quantized, f"{DISTILL}.start=teacher")
    made, _ = distilled(quantized, f"{DISTILL}.start=student")
    assert by_kind(made, "transfer").manifest["notes"]["runtime"] == "torch_int8"


def test_a_backbones_distilled_classifier_is_loaded_not_trained(distilled: Distilled, tmp_path: Path) -> None:
    trained, context = distilled()
    published = replace(context.backbone, distilled=Weights(path=str(trained.artifact), finetuned=True))
    made = run_steps(Optim("loaded", {"distill": Distill("distill")}), replace(context, backbone=published), Store(tmp_path))
    assert made.curves == {} and made.before == ()
    for other in ({"depth": 1}, {"neurons_kept": 0.5}, {"start": "teacher"}):  # it is no such student
        assert Distill("distill", **other).role(published) == "teacher"
        with pytest.raises(ConfigError, match="a distill step has no teacher"):
            Distill("distill", **other).needs(published)
    texts = list(context.splits.test["text"])
    assert np.array_equal(load(made.artifact, 1).logits(texts), load(trained.artifact, 1).logits(texts))
    nowhere = replace(context.backbone, distilled=Weights(path=str(tmp_path / "none"), finetuned=True))
    with pytest.raises(BackboneError, match=r"backbone\.distilled\.path=.*: no such directory"):
        plan(Optim("loaded", {"distill": Distill("distill")}), replace(context, backbone=nowhere))


def test_a_student_without_a_teacher_is_one_line(compose: Callable[..., Config], tiny: list[str]) -> None:
    orphan = compose("optim=distillation", *tiny, f"~{DISTILL}.teacher.steps.finetune")
    with pytest.raises(ConfigError, match="a distill step has no teacher") as told:
        check_order(orphan.optim, orphan.backbone)
    assert "\n" not in str(told.value)


def test_settings_that_would_have_no_effect_are_refused_in_one_line(compose: Callable[..., Config]) -> None:
    step = "optim.steps.distill"
    with pytest.raises(ConfigError, match="class_weights=balanced: it is of the loss on labels, which alpha=0 switches off"):
        compose("optim=distillation", f"{step}.class_weights=balanced")
    compose("optim=distillation", f"{step}.class_weights=balanced", f"{step}.alpha=0.5")
    compose("optim=distillation", f"{step}.class_weights=balanced", f"{step}.search.n_trials=2")
    with pytest.raises(ConfigError, match="best_by=loss: a search compares trials by another metric"):
        compose("optim=distillation", f"{step}.best_by=loss", f"{step}.search.n_trials=2")
    with pytest.raises(ConfigError, match="best_by=f1_macro: pruning keeps its last epoch"):
        compose("optim=magnitude_pruning", "optim.steps.prune.best_by=f1_macro")
