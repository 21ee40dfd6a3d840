"""The description of a run: its identity, configuration, data, and the keys that decide which runs are comparable."""

from dataclasses import replace
from platform import python_version
from typing import Any

import yaml

from pipeline.config import Config, Optim, digest, plain
from pipeline.data.splits import Splits
from pipeline.evaluation import MEASURING_VERSION
from pipeline.models import checkpoints
from pipeline.steps.base import Context
from pipeline.steps.execute import plan
from pipeline.system.machine import machine_name
from pipeline.tracking.contents import installed
from pipeline.tracking.runs import Identity
from pipeline.tracking.server import without_password

NOT_COMPARED = ("path", "sha256", "finetune")  # of a backbone; how the baseline was fine-tuned decides its fingerprint


def identity(config: Config, context: Context, optim: Optim) -> Identity:
    """The identity of a run, which becomes its tags in MLflow."""
    return Identity(
        optim=optim.name, baseline=config.baseline.name, fingerprint=plan(optim, context)[-1].fingerprint,
        data_hash=context.splits.content_hash, comparable=comparable_key(config, context), protocol=protocol_key(config),
        measurement=measurement_key(config),
        sweep_id=config.sweep.id, job=config.sweep.job, settings=settings_for(config, optim),
        role="baseline" if is_baseline(config, context, optim) else "candidate",
    )  # fmt: skip


def is_baseline(config: Config, context: Context, optim: Optim) -> bool:
    """Whether an optimization has the baseline's name and its artifact, to the byte."""
    return optim.name == config.baseline.name and _makes(optim, context) == _makes(config.baseline, context)


def _makes(optim: Optim, context: Context) -> str:
    return plan(optim, context)[-1].fingerprint


def settings_for(config: Config, optim: Optim) -> str:
    """The values that the sweep varies for this optimization; for the baseline, only those that concern it too."""
    sweep = config.sweep
    return sweep.settings if optim == config.optim else sweep.shared


def comparable_key(config: Config, context: Context) -> str:
    """Equal for comparable runs: the same data, backbone, measuring settings, machine, and baseline artifact."""
    parts = [context.splits.content_hash, *_protocol(config), machine_name(), config.baseline.name]
    return digest([*parts, _makes(config.baseline, context)])[:16]


def protocol_key(config: Config) -> str:
    """Equal for runs with the same backbone and measuring settings, measured by the same version of the procedure."""
    return digest(_protocol(config))[:16]


def measurement_key(config: Config) -> str:
    """Equal for runs that would measure an artifact in the same way: all measuring settings and package versions."""
    settings = {name: value for name, value in plain(config.measure).items() if name != "again"}
    return digest([MEASURING_VERSION, settings, python_version(), installed()])[:16]


def _protocol(config: Config) -> list[Any]:
    backbone = plain(config.backbone)
    for name in ("model", "finetuned"):  # the same: what they lead to decides the baseline's fingerprint
        backbone.pop(name)
    for role in ("teacher", "student", "distilled"):
        for name in NOT_COMPARED:
            backbone[role].pop(name)
    return [backbone, config.measure.decisive(), MEASURING_VERSION]


def config_yaml(config: Config) -> str:
    """The whole configuration as YAML, without a password in the tracking URI."""
    uri = without_password(config.track.uri) if config.track.uri else None
    return yaml.safe_dump(plain(replace(config, track=replace(config.track, uri=uri))), sort_keys=False, allow_unicode=True)


def parameters(config: Config) -> dict[str, object]:
    """The parameters that distinguish runs in MLflow's UI; `config.yaml` has all of them."""
    return {
        "optim": config.optim.name, "steps": " > ".join(config.optim.steps), "data": config.data.name,
        "backbone": config.backbone.name, "seed": config.seed, "protocol": config.measure.protocol,
        "max_length": config.backbone.max_length, "threads": config.measure.threads,
    }  # fmt: skip


def dataset(config: Config, splits: Splits) -> dict[str, object]:
    """The data set, for the input that is logged in MLflow."""
    rows = {name: len(getattr(splits, name)) for name in ("train", "validation", "test")}
    source = plain(config.data)
    about = {"name": source["name"], "hash": splits.content_hash, "kind": source["kind"], "source": source, "rows": rows}
    return about | {"report": splits.report()}


def base_models(config: Config) -> tuple[str, ...]:
    """The repository on the Hub that the optimization's weights come from; empty if they come from elsewhere."""
    first, backbone = next(iter(config.optim.steps.values())), config.backbone
    role = first.role(backbone)
    if role is None:
        return ()
    weights = checkpoints.weights_of(backbone, "teacher" if checkpoints.weights_of(backbone, role).from_teacher else role)
    return () if weights.path is not None or weights.hub is None else (str(weights.hub),)
