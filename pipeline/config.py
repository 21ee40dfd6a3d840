"""The typed configuration: what Hydra composes is checked against these dataclasses before anything else happens.

This is the lowest module: it knows no other but `errors`, and neither Hydra's entry point nor any library that is slow
to import. Kinds of steps (`pipeline/steps/`) and of data sources (`pipeline/data/`) register themselves here with
`@kind(group, name)`; `schema.build` turns a composed configuration into frozen objects of those classes.
"""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pipeline.errors import ConfigError, nearest

_HERE = Path(__file__).resolve().parent
CONF = _HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parent / "conf"  # a wheel has it inside
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
            problem = None if value is None else out_of_bounds(value, item.metadata)
            if problem:
                raise ConfigError(f"{item.name}={value}: {problem}")


def out_of_bounds(value: Any, bounds: Mapping[str, Any]) -> str | None:
    """What is wrong with a value that is given, in words; None where it keeps the bounds (see `setting`)."""
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

    def role(self, backbone: "Backbone") -> str | None:
        """Which of the backbone's weights it starts from: "teacher", "student", "distilled"; None: none of them."""
        return None

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
    pooling: str = setting("first", choices=("first", "mean"))  # what stands for a text: its first token, or the mean of all
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
    queries: int = setting(100, min=1)  # test texts drawn for timing ("queries") or timed calls ("book"), of each process
    warmup_calls: int = setting(20, min=0)
    query: str | None = None  # "book": the one text that is timed
    batch_size: int = setting(32, min=1)  # texts a batch, for throughput and for predicting the test split
    threads: int = setting(1, min=1)  # threads the classifier may use while it is timed
    seed: int = setting(0, min=0)  # draws the queries; the same for every optimization
    precision: float = setting(0.03, above=0)  # pairs are added until the speed-up's interval is narrower than this share
    max_seconds: float = setting(60.0, min=0)  # or until a further pair would take longer than this
    margin: float = setting(0.02, min=0)  # speeds that differ by less than this share are taken as equal
    profile: bool = True  # also where the time goes: by tokens, threads, batch size and concurrent clients
    price_per_core_hour: float | None = setting(None, above=0)  # for the cost of a million queries, in its currency
    again: bool = False  # measure anew what was measured before, in the same way, of the same artifact

    def decisive(self) -> dict[str, Any]:
        """What two measurements must have in common to be compared: all but how long and for what was measured."""
        return {key: value for key, value in plain(self).items() if key not in NOT_DECISIVE}


NOT_DECISIVE = ("precision", "max_seconds", "margin", "profile", "price_per_core_hour", "again")


@dataclass(frozen=True)
class Noise(Settings):
    """`python -m pipeline noise`: a classifier measured against itself, again and again."""

    repetitions: int = setting(40, min=1)
    slowdown: float = setting(0.0, min=0)  # above 0: one of the two answers that share slower, to see whether it is found


PREFERENCES = ("latency", "size", "accuracy", "cost")


@dataclass(frozen=True)
class Decide(Settings):
    """`python -m pipeline decide`: how one is chosen of those that keep the constraints."""

    prefer: str = setting("latency", choices=PREFERENCES)
    strict: bool = True  # a constraint must hold for the whole interval, not for the metric alone
    only: str | None = None  # the one optimization that may be chosen
    dry_run: bool = False  # decide, and register nothing


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
    shared: str = ""  # those of them that concern the baseline too: all but the optimization's own
    seed: str = ""  # "seed=1" where the sweep varies it


@dataclass(frozen=True)
class Frontier(Settings):
    """What a search for the Pareto front chooses from, and for how long."""

    n_trials: int = setting(12, min=1)
    max_seconds: float = setting(15.0, above=0)  # of measuring for each trial at most
    depth: list[int] = field(default_factory=lambda: [1, 2, 3])  # layers
    neurons_kept: list[float] = field(default_factory=lambda: [0.3333, 0.5, 1.0])  # share of feed-forward neurons
    vocab_size: list[int] = field(default_factory=lambda: [0, 16000])  # of the vocabulary; 0: all
    rank: list[int] = field(default_factory=lambda: [0, 128])  # of word embeddings; 0: as they are
    bits: list[int] = field(default_factory=lambda: [8, 4])  # of word embeddings
    oos_score: list[str] = field(default_factory=lambda: ["odds", "energy"])  # of the decision rule

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("depth", "neurons_kept", "vocab_size", "rank", "bits", "oos_score"):
            values = list(getattr(self, name))
            if not values or len(set(values)) < len(values):
                raise ConfigError(f"frontier.{name}={values}: must be a list of different values")


@dataclass(frozen=True)
class Config(Settings):
    """Everything that decides a run."""

    optim: Optim = field(default_factory=Optim)
    baseline: Optim = field(default_factory=Optim)
    data: DataSource = field(default_factory=DataSource)
    backbone: Backbone = field(default_factory=Backbone)
    measure: Measure = field(default_factory=Measure)
    noise: Noise = field(default_factory=Noise)
    frontier: Frontier = field(default_factory=Frontier)
    constraints: dict[str, float | None] = field(default_factory=dict)  # see `pipeline.evaluation.metrics`; None: no bound
    decide: Decide = field(default_factory=Decide)
    track: Track = field(default_factory=Track)
    publish: Publish = field(default_factory=Publish)
    sweep: Sweep = field(default_factory=Sweep)
    explain: bool = False  # print what the columns of a table mean
    objective: list[str] = field(default_factory=lambda: ["quality/accuracy"])  # metrics that a sweeper is told, in order
    seed: int = setting(42, min=0, max=2**32 - 1)

    @property
    def experiment_name(self) -> str:
        """The MLflow experiment of these data and this backbone."""
        return f"{self.data.name}/{self.backbone.name}"

    def folder(self, kind: str) -> Path:
        """Where the newest files of a kind ("comparison", "decision") of this experiment lie, outside MLflow."""
        return Path(self.track.root).resolve() / kind / f"{self.data.name}_{self.backbone.name}".replace("/", "_")


KINDS: dict[str, dict[str, type]] = {"step": {}, "data": {}}


def kind(group: str, name: str) -> Callable[[type], type]:
    """Class decorator: makes a frozen dataclass the meaning of `kind: name` in the files of `conf/<group>/`."""

    def register(cls: type) -> type:
        KINDS[group][name] = cls
        return cls

    return register


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
