"""Steps are run in order; a fingerprint knows all that decides the bytes, and nothing else."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pipeline.config import Backbone, Config, DataSource, Finetuning, Optim, Step
from pipeline.errors import BackboneError, ConfigError
from pipeline.steps.base import Context
from pipeline.steps.execute import check_order, plan, run_steps
from pipeline.steps.finetune import Finetune
from pipeline.steps.load_checkpoint import LoadCheckpoint
from pipeline.steps.store import Store
from pipeline.tasks import TASKS


@dataclass(frozen=True)
class Append(Step):
    """A step for these tests: what the step before wrote, and a word more."""

    kind: str = "append"
    word: str = "word"
    takes: ClassVar[tuple[str, ...]] = ("words",)
    gives: ClassVar[str] = "words"

    def inputs(self, context: Context) -> dict[str, Any]:
        return {"seed": context.seed}

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        before = (context.source / "words").read_text() if context.source else ""
        (artifact / "words").write_text(f"{before}{self.word} ")
        return {}


@dataclass(frozen=True)
class Begin(Append):
    """The first step: it changes nothing, it makes the first word."""

    takes: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True)
class OneLabel(Append):
    """A step that takes one label a text only."""

    tasks: ClassVar[tuple[str, ...]] = ("single_label",)


@pytest.fixture
def context(compose: Callable[..., Config], tiny: list[str]) -> Context:
    config = compose(*tiny)
    return Context(config.data.load(config.seed), config.backbone, config.seed)


def words(*steps: str) -> Optim:
    return Optim("words", {f"step {word}": (Append if i else Begin)(word=word) for i, word in enumerate(steps)})


def fingerprint(context: Context, *steps: Step) -> str:
    return plan(Optim("any", {str(i): step for i, step in enumerate(steps)}), context)[-1].fingerprint


def test_steps_are_carried_out_in_order_and_share_the_stages_they_have_in_common(tmp_path: Path, context: Context) -> None:
    first = run_steps(words("a", "b", "c"), context, Store(tmp_path))
    second = run_steps(words("a", "b", "d"), context, Store(tmp_path))
    assert (first.artifact / "words").read_text() == "a b c " and (second.artifact / "words").read_text() == "a b d "
    assert [stage.reused for stage in second.stages] == [True, True, False]


def test_a_fingerprint_changes_with_every_setting_the_seed_the_data_and_the_order_of_steps(context: Context) -> None:
    base = Finetune("finetune")
    other: dict[str, Any] = {
        "epochs": 3, "learning_rate": 1e-4, "batch_size": 8, "weight_decay": 0.02, "warmup_ratio": 0.2,
        "label_smoothing": 0.3, "freeze_embeddings": False, "bfloat16": "never", "head_lr_multiplier": 1, "max_steps": 20,
        "dropout": 0.0, "pos_weight": "balanced", "class_weights": "balanced", "best_by": "f1_macro",
    }  # fmt: skip
    assert set(other) == {item.name for item in fields(Finetuning)}
    splits, backbone = context.splits, context.backbone

    def trained(role: str, **settings: Any) -> Context:
        weights = getattr(backbone, role)
        changed = replace(weights, finetune=replace(weights.finetune, **settings))
        return replace(context, backbone=replace(backbone, **{role: changed}))

    seen = [
        fingerprint(context, base),
        *(fingerprint(trained("teacher", **{name: value}), base) for name, value in other.items()),
        fingerprint(context, replace(base, model="student")),
        fingerprint(replace(context, seed=context.seed + 1), base),
        fingerprint(replace(context, splits=replace(splits, content_hash="0" * 64)), base),
        fingerprint(replace(context, splits=replace(splits, oos=0)), base),
        fingerprint(replace(context, backbone=replace(backbone, max_length=32)), base),
        fingerprint(context, base, Append(word="a"), Append(word="b")),
        fingerprint(context, base, Append(word="b"), Append(word="a")),
    ]
    assert len(set(seen)) == len(seen)
    assert seen[0] == fingerprint(context, base) == fingerprint(trained("student", epochs=3), base)


def test_a_fingerprint_does_not_change_with_paths_tracking_and_measuring(
    compose: Callable[..., Config], tiny: list[str], toy_csv: Path, tmp_path: Path
) -> None:
    moved = shutil.copy(toy_csv, tmp_path / "moved.csv")
    elsewhere = [item.replace(str(toy_csv), str(moved)) for item in tiny if item != "measure=quick"]
    seen = set()
    for overrides in (tiny, [*elsewhere, "measure=book", f"track.root={tmp_path}", "backbone.student.path=/nowhere"]):
        config = compose(*overrides)
        loaded = Context(config.data.load(config.seed), config.backbone, config.seed)
        seen.add(plan(config.optim, loaded)[-1].fingerprint)
    assert len(seen) == 1


def test_a_checkpoint_is_known_by_its_bytes_not_by_where_it_lies(context: Context, tmp_path: Path) -> None:
    here, there, changed = tmp_path / "here", tmp_path / "there", tmp_path / "changed"
    for directory, weights in ((here, b"a"), (there, b"a"), (changed, b"b")):
        directory.mkdir()
        (directory / "config.json").write_text("{}")
        (directory / "model.safetensors").write_bytes(weights)
    first, same, other = (
        fingerprint(context, LoadCheckpoint("load_checkpoint", str(path))) for path in (here, there, changed)
    )
    assert first != other
    assert first == same


def test_what_a_step_needs_is_looked_for_before_anything_is_made(context: Context, tmp_path: Path) -> None:
    optim = Optim("any", {"a": Begin(), "b": LoadCheckpoint("load_checkpoint", str(tmp_path / "none"))})
    with pytest.raises(BackboneError, match="no such directory"):
        run_steps(optim, context, Store(tmp_path))
    assert not (tmp_path / "stages").exists()


def test_only_the_first_step_may_make_a_classifier_and_it_must() -> None:
    check_order(words("a", "b"), Backbone("any"))
    with pytest.raises(ConfigError, match=r"optim\.steps\.prune: append .*; add \+step@optim\.steps\.first=finetune"):
        check_order(Optim("any", {"prune": Append()}), Backbone("any"))
    with pytest.raises(ConfigError, match=r"optim\.steps\.again: finetune .*as append before it.*'~optim\.steps\.train'"):
        check_order(Optim("any", {"train": Begin(), "again": Finetune("finetune")}), Backbone("any"))


def test_a_step_that_does_not_support_the_task_is_told_before_anything_is_made() -> None:
    for task in TASKS:
        check_order(words("a", "b"), Backbone("any"), task=task)
    some = Optim("any", {"train": Begin(), "one": OneLabel()})
    check_order(some, Backbone("any"), task="single_label")
    check_order(some, Backbone("any"))
    with pytest.raises(ConfigError, match=r"optim\.steps\.one: append does not support the task multi_label, only single"):
        check_order(some, Backbone("any"), task="multi_label")


def test_a_kind_without_make_and_a_source_without_load_can_not_be_made() -> None:
    for base, lacking in ((Step, "make"), (DataSource, "load")):
        with pytest.raises(TypeError, match=f"abstract method '?{lacking}"):
            type("Lacking", (base,), {})()
