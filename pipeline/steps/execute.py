"""Runs an optimization: its steps in order; the result of each is a stage of the store.

A stage's fingerprint covers the previous stage's fingerprint, the step's kind, settings and code version, and the step's
`inputs` (data, seed, weights, library versions). Paths, tracking and measuring are not part of it, so equal work is shared
between optimizations and between runs.
"""

import functools
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.config import Backbone, Optim, digest
from pipeline.errors import ConfigError
from pipeline.models.outline import Outline
from pipeline.steps.base import ANY, Context
from pipeline.steps.store import Recipe, Stage, Store

OF_THE_ARTIFACT = ("prune/sparsity", "size/dense_mb")  # metrics that are no longer true after a later step
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepsResult:
    """The stages of an optimization whose steps have run."""

    artifact: Path
    fingerprint: str
    stages: tuple[Stage, ...]
    before: tuple[Stage, ...] = ()  # stages of other optimizations that a step needed

    @property
    def curves(self) -> dict[str, list[dict[str, float]]]:
        """Training curves by stage, one dict an epoch."""
        return {s.directory.name: s.manifest["notes"]["curves"] for s in self.stages if "curves" in s.manifest["notes"]}

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics that the steps noted, by their names in MLflow."""
        noted: list[dict[str, float]] = [stage.manifest["notes"].get("metrics", {}) for stage in self.stages]
        steps = {name: value for notes in noted[:-1] for name, value in notes.items() if name not in OF_THE_ARTIFACT}
        return steps | noted[-1]


def check_order(optim: Optim, backbone: Backbone, where: str = "optim", task: str | None = None) -> None:
    """Raises ConfigError unless the first step makes a classifier and each later one takes the form that it is given.

    Also where a step, or one of its settings, does not support the task (None: it is not known yet). What a step needs is
    checked too.
    """
    form = ""
    for position, (name, step) in enumerate(optim.steps.items()):
        place = f"{where}.steps.{name}"
        for need, other in step.needs(backbone).items():
            check_order(other, backbone, f"{place}.{need}", task)
        if task is not None and step.tasks and task not in step.tasks:
            raise ConfigError(f"{place}: {step.kind} does not support the task {task}, only {' and '.join(step.tasks)}")
        if task is not None:
            step.check_task(backbone, task)
        if position == 0 and step.takes:
            raise ConfigError(
                f"{place}: {step.kind} changes a classifier; the first step must make one; "
                f"add +step@{where}.steps.first=finetune"
            )
        if position > 0 and not step.takes:
            first, maker = next(iter(optim.steps.items()))
            raise ConfigError(
                f"{place}: {step.kind} makes a classifier, as {maker.kind} before it does; only the first step may; remove "
                f"that one with '~{where}.steps.{first}'"
            )
        if position > 0 and step.takes != ANY and form not in step.takes:
            raise ConfigError(f"{place}: {step.kind} takes {' or '.join(step.takes)}, but the step before gives {form}")
        form = step.gives


def plan(optim: Optim, context: Context) -> list[Recipe]:
    """The recipe of each step's stage; nothing is made. Raises UserError when something that a step needs is missing."""
    recipes: list[Recipe] = []
    for step in optim.steps.values():
        settings, inputs = step.decisive(), step.inputs(context)
        needed = step.needs(context.backbone)
        inputs |= context.backbone.windows
        if needed:
            inputs |= {"needs": {name: plan(other, context)[-1].fingerprint for name, other in needed.items()}}
        before = recipes[-1].fingerprint if recipes else ""
        fingerprint = digest([before, step.kind, step.code_version, settings, inputs])
        recipes.append(Recipe(step.kind, fingerprint, settings, inputs))
    return recipes


def check_steps(optim: Optim, context: Context, known: dict[str, Outline] | None = None) -> Outline:
    """What an optimization will give. Nothing is made; raises UserError if one of its steps is known not to work.

    known: the outlines of stages that were checked before, by name; this adds its own.
    """
    known = {} if known is None else known
    before: Outline | None = None
    for step, recipe in zip(optim.steps.values(), plan(optim, context), strict=True):
        if recipe.name not in known:
            needed = {name: check_steps(other, context, known) for name, other in step.needs(context.backbone).items()}
            found = step.check(context, before, needed) or Outline()
            known[recipe.name] = found if step.takes == ANY else replace(found, form=step.gives)
        before = known[recipe.name]
    assert before is not None
    return before


def run_steps(optim: Optim, context: Context, store: Store) -> StepsResult:
    """Make or reuse every stage, including those of optimizations that a step needs. Raises what the steps raise."""
    stages: list[Stage] = []
    before: list[Stage] = []
    for (name, step), recipe in zip(optim.steps.items(), plan(optim, context), strict=True):
        stage = store.find(recipe)
        if stage is None:
            needed = {}
            for need, other in step.needs(context.backbone).items():
                made = run_steps(other, context, store)
                needed[need] = made.artifact
                before += [*made.before, *made.stages]
            here = replace(context, source=stages[-1].artifact if stages else None, needed=needed)
            stage = store.get_or_make(recipe, functools.partial(step.make, here))
        how = "reused" if stage.reused else f"made in {stage.manifest['seconds']:.0f} s"
        log.info("%s: %s is %s (%s)", optim.name, name, how, stage.directory.name)
        stages.append(stage)
    return StepsResult(stages[-1].artifact, recipe.fingerprint, tuple(stages), tuple(before))
