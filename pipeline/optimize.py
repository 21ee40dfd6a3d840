"""Carries out an optimization: its steps in order, each one's result a stage of the store.

A stage's fingerprint covers the previous stage's fingerprint, the step's kind, settings and code version, and what the step
says it depends on (data, seed, weights, library versions). Paths, tracking and measuring never enter it, so equal work is
shared between optimizations and between runs.
"""

import functools
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.config import Optim, digest, plain
from pipeline.errors import ConfigError
from pipeline.steps.base import Context, as_kind
from pipeline.store import Recipe, Stage, Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """An optimization, carried out."""

    artifact: Path
    fingerprint: str
    stages: tuple[Stage, ...]

    @property
    def curves(self) -> dict[str, list[dict[str, float]]]:
        """Training curves by stage kind, one dict an epoch."""
        return {s.manifest["kind"]: s.manifest["notes"]["curves"] for s in self.stages if "curves" in s.manifest["notes"]}


def check_order(optim: Optim) -> None:
    """Raises ConfigError unless the first step makes a classifier and no later one does."""
    for position, (name, step) in enumerate(optim.steps.items()):
        makes = as_kind(step).makes_classifier
        if position == 0 and not makes:
            raise ConfigError(f"optim.steps.{name}: {step.kind} changes a classifier; the first step must make one")
        if position > 0 and makes:
            raise ConfigError(f"optim.steps.{name}: {step.kind} makes a classifier; only the first step of an optim may")


def plan(optim: Optim, context: Context) -> list[Recipe]:
    """What each step would make, without making it. Raises UserError when what a step needs is not to be had."""
    recipes: list[Recipe] = []
    for step in optim.steps.values():
        technique = as_kind(step)
        settings = {key: value for key, value in plain(step).items() if key not in technique.places}
        inputs = technique.inputs(context)
        before = recipes[-1].fingerprint if recipes else ""
        fingerprint = digest([before, step.kind, technique.code_version, settings, inputs])
        recipes.append(Recipe(step.kind, fingerprint, settings, inputs))
    return recipes


def carry_out(optim: Optim, context: Context, store: Store) -> Made:
    """Make or reuse every stage. Raises what the steps raise."""
    stages: list[Stage] = []
    for (name, step), recipe in zip(optim.steps.items(), plan(optim, context), strict=True):
        here = replace(context, source=stages[-1].artifact if stages else None)
        stage = store.get_or_make(recipe, functools.partial(as_kind(step).make, here))
        how = "reused, nothing to do" if stage.reused else f"made in {stage.manifest['seconds']:.0f} s"
        log.info("%s: %s is %s (%s)", optim.name, name, how, stage.directory.name)
        stages.append(stage)
    return Made(stages[-1].artifact, recipe.fingerprint, tuple(stages))
