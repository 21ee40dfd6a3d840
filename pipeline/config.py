"""The typed configuration: what Hydra composes is checked against these dataclasses before anything else happens.

This is the lowest module: it knows no other but `errors`, and neither Hydra's entry point nor any library that is slow
to import. Kinds of steps (`pipeline/steps/`) and of data sources (`pipeline/data/`) register themselves here with
`@kind(group, name)`; `build` turns a composed configuration into frozen objects of those classes.
"""

import dataclasses
import functools
import hashlib
import json
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pipeline.errors import ConfigError, nearest

CONF = Path(__file__).resolve().parents[1] / "conf"
MISSING: Any = "???"  # OmegaConf's mark for a value that must be given


def setting(default: Any, **bounds: Any) -> Any:
    """A dataclass field with bounds: `min` and `max` (inclusive), `above` (exclusive), `choices`,
    `filled` (not empty), `name` (fit for MLflow).

    Raises ConfigError when an object is made with a value outside them (see `Settings`).
    """
    return field(default=default, metadata=bounds)


@dataclass(frozen=True)
class Settings:
    """Base of every configuration object: checks the bounds of its fields when it is made."""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            problem = None if value is None else _out_of_bounds(value, item.metadata)
            if problem:
                raise ConfigError(f"{item.name}={value}: {problem}")


def _out_of_bounds(value: Any, bounds: Mapping[str, Any]) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    if bounds.get("filled") and not str(value).strip():
        return "must not be empty"
    if bounds.get("name") and value != MISSING and not re.fullmatch(r"\w[\w./ -]*", str(value)):
        return "must not be empty, and be of letters, digits, _ . - / and spaces only"
    if "choices" in bounds and value not in bounds["choices"]:
        return "unknown value" + nearest(str(value), bounds["choices"])
    if "min" in bounds and value < bounds["min"]:
        return f"must be at least {bounds['min']}"
    if "max" in bounds and value > bounds["max"]:
        return f"must be at most {bounds['max']}"
    if "above" in bounds and value <= bounds["above"]:
        return f"must be above {bounds['above']}"
    return None


@dataclass(frozen=True)
class Step(Settings):
    """Base of the steps' settings; each kind in `pipeline/steps/` adds its own fields and says how it is carried out."""

    kind: str = MISSING

    takes: ClassVar[tuple[str, ...]] = ()  # see `pipeline.steps.base.StepKind`
    ignored: ClassVar[tuple[str, ...]] = ()

    def needs(self, backbone: "Backbone") -> dict[str, "Optim"]:
        """Other optimizations whose artifacts this step reads: none."""
        return {}


@dataclass(frozen=True)
class DataSource(Settings):
    """Base of the data sources' settings; each kind in `pipeline/data/sources.py` adds its own fields."""

    kind: str = MISSING
    name: str = setting(MISSING, name=True)  # names the MLflow experiment, together with the backbone
    oos_label: str | None = None  # the label that means "out of scope", if there is one


@dataclass(frozen=True)
class Optim(Settings):
    """An optimization: named steps, carried out in this order."""

    name: str = setting(MISSING, name=True)
    steps: dict[str, Step] = field(default_factory=dict)


@dataclass(frozen=True)
class Weights(Settings):
    """Where one set of pretrained weights comes from. The first that is there is used: path, package, Hub."""

    path: str | None = None  # a local directory in the Hugging Face layout
    package: str | None = None  # an installed Python package whose files hold the model (its code is not run)
    package_dir: str = ""  # the directory inside that package
    hub: str | None = None  # a repository on the Hugging Face Hub
    revision: str | None = None  # its commit, tag or branch
    sha256: dict[str, str] = field(default_factory=dict)  # file name -> expected hash
    finetuned: bool = False  # True: a classifier already; it is loaded, not trained
    from_teacher: bool = False  # True: made of every second layer of the teacher, as DistilBERT was
    random: bool = False  # True: a tiny network with random weights, for tests


@dataclass(frozen=True)
class Backbone(Settings):
    """Where the teacher's and the student's pretrained weights come from."""

    name: str = setting(MISSING, name=True)
    teacher: Weights = field(default_factory=Weights)
    student: Weights = field(default_factory=Weights)
    distilled: Weights = field(default_factory=Weights)  # a distilled classifier, if it is published
    max_length: int = setting(128, min=8, max=8192)  # tokens; longer texts are cut


@dataclass(frozen=True)
class Measure(Settings):
    """How a classifier is measured."""

    protocol: str = setting("queries", choices=("queries", "book"))
    queries: int = setting(200, min=1)  # test texts drawn for timing ("queries") or timed calls ("book")
    passes: int = setting(4, min=1)  # how often each query is timed
    warmup_calls: int = setting(20, min=0)
    query: str | None = None  # "book": the one text that is timed
    batch_size: int = setting(32, min=1)  # texts a batch, for throughput and for predicting the test split
    threads: int = setting(1, min=1)  # threads the classifier may use while it is timed
    seed: int = setting(0, min=0)  # draws the queries; the same for every optimization


@dataclass(frozen=True)
class Track(Settings):
    """Where results go."""

    uri: str | None = None  # an MLflow server; null: MLFLOW_TRACKING_URI, else SQLite under `root`
    root: str = setting("mlruns", filled=True)  # everything that a run writes lies below this directory
    artifact_max_mb: float = setting(200.0, min=0)  # larger artifacts stay in the store only; 0 logs none


@dataclass(frozen=True)
class Publish(Settings):
    """Where the finished artifact is pushed to."""

    hub: str | None = None  # a repository on the Hugging Face Hub, user/name


@dataclass(frozen=True)
class Sweep(Settings):
    """Set by a multirun for its jobs, not by users."""

    id: str | None = None
    job: int | None = None  # counted from 0
    settings: str = ""  # what this job has that others of the sweep have not, besides optimization and seed
    seed: str = ""  # "seed=1" where the sweep varies it


@dataclass(frozen=True)
class Config(Settings):
    """Everything that decides a run."""

    optim: Optim = field(default_factory=Optim)
    baseline: Optim = field(default_factory=Optim)
    data: DataSource = field(default_factory=DataSource)
    backbone: Backbone = field(default_factory=Backbone)
    measure: Measure = field(default_factory=Measure)
    track: Track = field(default_factory=Track)
    publish: Publish = field(default_factory=Publish)
    sweep: Sweep = field(default_factory=Sweep)
    objective: list[str] = field(default_factory=lambda: ["quality/accuracy"])  # metrics that a sweeper is told, in order
    seed: int = setting(42, min=0, max=2**32 - 1)


KINDS: dict[str, dict[str, type]] = {"step": {}, "data": {}}


def kind(group: str, name: str) -> Callable[[type], type]:
    """Class decorator: makes a frozen dataclass the meaning of `kind: name` in the files of `conf/<group>/`."""

    def register(cls: type) -> type:
        KINDS[group][name] = cls
        return cls

    return register


def lookup(group: str, name: str, where: str) -> type:
    """The class registered for a kind. Raises ConfigError with the nearest name."""
    if name not in KINDS[group]:
        raise ConfigError(f"{where}.kind={name}: no such kind of {group}{nearest(name, KINDS[group])}")
    return KINDS[group][name]


@functools.cache
def schema(cls: Any) -> Any:
    """A mutable twin of a frozen dataclass, for Hydra: OmegaConf makes nodes of frozen ones read-only.

    Nested dataclasses and those inside `dict[...]` are replaced by their twins too.
    """
    hints = typing.get_type_hints(cls)
    twins = []
    for item in dataclasses.fields(cls):
        default: Any = item.default
        if default is not dataclasses.MISSING:
            twin = field(default=default)
        else:
            factory: Any = item.default_factory
            twin = field(default_factory=schema(factory) if _is_settings(factory) else factory)
        twins.append((item.name, _schema_type(hints[item.name]), twin))
    bases = tuple(schema(base) for base in cls.__bases__ if _is_settings(base) and base is not Settings)
    return dataclasses.make_dataclass(cls.__name__, twins, bases=bases)


def _is_settings(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Settings)


def _schema_type(hint: Any) -> Any:
    if _is_settings(hint):
        return schema(hint)
    if typing.get_origin(hint) is dict:
        key, value = typing.get_args(hint)
        return types.GenericAlias(dict, (key, _schema_type(value)))
    return hint


def build(values: Mapping[str, Any]) -> Config:
    """A composed configuration, as plain containers, to frozen objects.

    Raises ConfigError, with the full key, for keys that no schema has, values out of bounds and unknown kinds.
    """
    config: Config = _build(Config, values, "")
    for where, optim in (("optim", config.optim), ("baseline", config.baseline)):
        if not optim.steps:
            raise ConfigError(f"{where}.steps is empty: the first step must make a classifier (finetune or load)")
    return config


def _build(cls: Any, values: Mapping[str, Any], where: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}={values}: must be a group of settings")
    known = {item.name for item in dataclasses.fields(cls)}
    for key in values:
        if key not in known:
            raise ConfigError(f"{_join(where, key)}: no such key{nearest(str(key), known)}")
    hints = typing.get_type_hints(cls)
    made = {key: _value(hints[key], key, value, _join(where, key)) for key, value in values.items()}
    try:
        return cls(**made)
    except ConfigError as error:
        raise ConfigError(_join(where, str(error.args[0]))) from error


def _value(hint: Any, key: str, value: Any, where: str) -> Any:
    if hint is DataSource:
        return _build(lookup("data", value.get("kind", MISSING), where), value, where)
    if typing.get_origin(hint) is dict and typing.get_args(hint)[1] is Step:
        return {
            name: _build(lookup("step", step.get("kind", MISSING), _join(where, name)), step, _join(where, name))
            for name, step in value.items()
        }
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where)
    return tuple(value) if isinstance(value, list) else value


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def plain(settings: Any) -> dict[str, Any]:
    """A configuration object as nested dicts of plain values (for YAML, JSON and fingerprints)."""
    values = dataclasses.asdict(settings)
    return {key: _listed(value) for key, value in values.items()}


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value


def digest(value: Any) -> str:
    """SHA-256, in hexadecimal, of the canonical JSON form of plain values (keys sorted, no NaN)."""
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
