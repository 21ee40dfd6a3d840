"""The search space, and the optimization for each choice."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar

from pipeline.config import Frontier, Optim, Step, plain
from pipeline.errors import ConfigError
from pipeline.steps.calibrate import Calibrate
from pipeline.steps.distill import Distill
from pipeline.steps.export_onnx import ExportOnnx
from pipeline.steps.low_rank import LowRank
from pipeline.steps.quantize_onnx_dynamic import QuantizeOnnxDynamic
from pipeline.steps.recovery_distillation import RecoveryDistillation
from pipeline.steps.trim_vocabulary import TrimVocabulary

Choice = dict[str, Any]  # name of a setting of `Frontier` -> value
AnyStep = TypeVar("AnyStep", bound=Step)
NOT_SEARCHED = ("n_trials", "max_seconds")


def search_space(frontier: Frontier) -> dict[str, list[Any]]:
    """The values to choose from, by the name of the setting."""
    return {name: list(values) for name, values in plain(frontier).items() if name not in NOT_SEARCHED}


def choices(frontier: Frontier) -> Iterator[Choice]:
    """All combinations of values."""
    names, values = zip(*search_space(frontier).items(), strict=True)
    return (dict(zip(names, one, strict=True)) for one in itertools.product(*values))


def optim_of(choice: Choice, base: Optim) -> Optim:
    """The optimization for a choice: the steps of `base` with the chosen values. The bits decide how the graph is fused.

    Steps of other kinds are left out. Raises ConfigError if `base` has no steps distill and recover.
    """

    def step_of(kind: type[AnyStep]) -> AnyStep | None:
        return next((step for step in base.steps.values() if isinstance(step, kind)), None)

    distill, recover = step_of(Distill), step_of(RecoveryDistillation)
    if distill is None or recover is None:
        raise ConfigError(f"optim={base.name}: the frontier needs its steps distill and recover; take student_2l_low_rank")
    depth, neurons = int(choice["depth"]), float(choice["neurons_kept"])
    steps: dict[str, Step] = {"distill": replace(distill, depth=depth, layers=None, neurons_kept=neurons)}
    if choice["vocab_size"]:
        trim = step_of(TrimVocabulary) or TrimVocabulary("trim_vocabulary")
        steps["trim"] = replace(trim, vocab_size=choice["vocab_size"])
    low_rank = step_of(LowRank) or LowRank("low_rank")
    if choice["rank"] or low_rank.feed_forward:
        steps["low_rank"] = replace(low_rank, embeddings=choice["rank"] or None)
    if len(steps) > 1:
        steps["recover"] = recover
    bits = int(choice["bits"])
    steps["export"] = replace(step_of(ExportOnnx) or ExportOnnx("export_onnx"), fuse="layers" if bits == 4 else "all")
    steps["quantize"] = replace(
        step_of(QuantizeOnnxDynamic) or QuantizeOnnxDynamic("quantize_onnx_dynamic"), embedding_bits=bits
    )
    steps["calibrate"] = replace(step_of(Calibrate) or Calibrate("calibrate"), oos_score=choice["oos_score"])
    return Optim(name_of(choice), steps)


def name_of(choice: Choice) -> str:
    """The name in tables, such as "3l_0.5n_16000p_128r_4bit_energy"."""
    parts = [f"{choice['depth']}l", f"{choice['neurons_kept']:g}n"]
    parts += [f"{choice[name]}{letter}" for name, letter in (("vocab_size", "p"), ("rank", "r")) if choice[name]]
    return "_".join([*parts, f"{choice['bits']}bit", str(choice["oos_score"])])
