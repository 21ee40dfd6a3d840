"""Carries out an optimization: its steps in order, each one's result a stage of the store.

A stage's fingerprint covers the previous stage's fingerprint, the step's kind, settings and code version, and what the step
says it depends on (data, seed, weights, library versions). Paths, tracking and measuring never enter it, so equal work is
shared between optimizations and between runs.
"""

import functools
import logging
from dataclasses import dataclass, fields, replace
from pathlib import Path

from pipeline.config import Backbone, Optim, digest, plain
from pipeline.errors import ConfigError
from pipeline.steps.base import ANY, Context, as_kind
from pipeline.steps.store import Recipe, Stage, Store

OF_THE_ARTIFACT = ("prune/sparsity", "size/dense_mb")  # metrics that a later step makes untrue
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepsResult:
    """An optimization, carried out."""

    artifact: Path
    fingerprint: str
    stages: tuple[Stage, ...]
    before: tuple[Stage, ...] = ()  # of other optimizations, which a step needed

    @property
    def curves(self) -> dict[str, list[dict[str, float]]]:
        """Training curves by stage, one dict an epoch."""
        return {s.directory.name: s.manifest["notes"]["curves"] for s in self.stages if "curves" in s.manifest["notes"]}

    @property
    def metrics(self) -> dict[str, float]:
        """What the steps checked and reached, by its name in MLflow."""
        told: list[dict[str, float]] = [stage.manifest["notes"].get("metrics", {}) for stage in self.stages]
        steps = {name: value for notes in told[:-1] for name, value in notes.items() if name not in OF_THE_ARTIFACT}
        return steps | told[-1]


def check_order(optim: Optim, backbone: Backbone, where: str = "optim") -> None:
    """Raises ConfigError unless the first step makes a classifier and each later one changes the form it is given."""
    form = ""
    for position, (name, step) in enumerate(optim.steps.items()):
        technique, place = as_kind(step), f"{where}.steps.{name}"
        for need, other in technique.needs(backbone).items():
            check_order(other, backbone, f"{place}.{need}")
        if position == 0 and technique.takes:
            raise ConfigError(f"{place}: {step.kind} changes a classifier; the first step must make one")
        if position > 0 and not technique.takes:
            raise ConfigError(f"{place}: {step.kind} makes a classifier; only the first step of an optim may")
        if position > 0 and technique.takes != ANY and form not in technique.takes:
            raise ConfigError(f"{place}: {step.kind} takes {' or '.join(technique.takes)}, but the step before gives {form}")
        form = technique.gives


def plan(optim: Optim, context: Context) -> list[Recipe]:
    """What each step would make, without making it. Raises UserError when what a step needs is not to be had."""
    recipes: list[Recipe] = []
    for step in optim.steps.values():
        technique = as_kind(step)
        needed = technique.needs(context.backbone)
        hidden = {*technique.ignored, *(item.name for item in fields(step) if isinstance(getattr(step, item.name), Optim))}
        settings = {key: value for key, value in plain(step).items() if key not in hidden}
        inputs = technique.inputs(context)
        if needed:
            inputs |= {"needs": {name: plan(other, context)[-1].fingerprint for name, other in needed.items()}}
        before = recipes[-1].fingerprint if recipes else ""
        fingerprint = digest([before, step.kind, technique.code_version, settings, inputs])
        recipes.append(Recipe(step.kind, fingerprint, settings, inputs))
    return recipes


def run_steps(optim: Optim, context: Context, store: Store) -> StepsResult:
    """Make or reuse every stage, those of the optimizations that a step needs included. Raises what the steps raise."""
    stages: list[Stage] = []
    before: list[Stage] = []
    for (name, step), recipe in zip(optim.steps.items(), plan(optim, context), strict=True):
        stage = store.find(recipe)
        if stage is None:
            needed = {}
            for need, other in as_kind(step).needs(context.backbone).items():
                made = run_steps(other, context, store)
                needed[need] = made.artifact
                before += [*made.before, *made.stages]
            here = replace(context, source=stages[-1].artifact if stages else None, needed=needed)
            stage = store.get_or_make(recipe, functools.partial(as_kind(step).make, here))
        how = "reused, nothing to do" if stage.reused else f"made in {stage.manifest['seconds']:.0f} s"
        log.info("%s: %s is %s (%s)", optim.name, name, how, stage.directory.name)
        stages.append(stage)
    return StepsResult(stages[-1].artifact, recipe.fingerprint, tuple(stages), tuple(before))
