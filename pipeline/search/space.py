"""The settings that a search chooses from, and the optimization that a choice makes."""

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
NO_LISTS = ("n_trials", "max_seconds")


def lists(frontier: Frontier) -> dict[str, list[Any]]:
    """What there is to choose from, by the setting's name."""
    return {name: list(values) for name, values in plain(frontier).items() if name not in NO_LISTS}


def choices(frontier: Frontier) -> Iterator[Choice]:
    """Every combination."""
    names, values = zip(*lists(frontier).items(), strict=True)
    return (dict(zip(names, one, strict=True)) for one in itertools.product(*values))


def optim_of(choice: Choice, base: Optim) -> Optim:
    """The optimization of a choice: steps of `base`, with what is chosen; how a graph is fused follows from the bits.

    A step of another kind has no place in it. Raises ConfigError where `base` has no steps that train.
    """

    def own(kind: type[AnyStep]) -> AnyStep | None:
        return next((step for step in base.steps.values() if isinstance(step, kind)), None)

    distill, recover = own(Distill), own(RecoveryDistillation)
    if distill is None or recover is None:
        raise ConfigError(f"optim={base.name}: the frontier needs its steps distill and recover; take student_2l_low_rank")
    depth, neurons = int(choice["depth"]), float(choice["neurons_kept"])
    steps: dict[str, Step] = {"distill": replace(distill, depth=depth, layers=None, neurons_kept=neurons)}
    if choice["vocab_size"]:
        trim = own(TrimVocabulary) or TrimVocabulary("trim_vocabulary")
        steps["trim"] = replace(trim, vocab_size=choice["vocab_size"])
    low_rank = own(LowRank) or LowRank("low_rank")
    if choice["rank"] or low_rank.feed_forward:
        steps["low_rank"] = replace(low_rank, embeddings=choice["rank"] or None)
    if len(steps) > 1:
        steps["recover"] = recover
    bits = int(choice["bits"])
    steps["export"] = replace(own(ExportOnnx) or ExportOnnx("export_onnx"), fuse="layers" if bits == 4 else "all")
    steps["quantize"] = replace(own(QuantizeOnnxDynamic) or QuantizeOnnxDynamic("quantize_onnx"), embedding_bits=bits)
    steps["calibrate"] = replace(own(Calibrate) or Calibrate("calibrate"), oos_score=choice["oos_score"])
    return Optim(name_of(choice), steps)


def name_of(choice: Choice) -> str:
    """For tables: "3l_0.5n_16000p_128r_4bit_energy"."""
    parts = [f"{choice['depth']}l", f"{choice['neurons_kept']:g}n"]
    parts += [f"{choice[name]}{letter}" for name, letter in (("vocab_size", "p"), ("rank", "r")) if choice[name]]
    return "_".join([*parts, f"{choice['bits']}bit", str(choice["oos_score"])])
