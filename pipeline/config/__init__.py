"""The typed configuration. Compositions of Hydra are checked against these dataclasses before anything else.

This is the lowest room: it imports `errors` only, neither Hydra nor any library that is slow to import. Kinds of steps
(`pipeline/steps/`) and of data sources (`pipeline/data/`) register themselves here with `@kind(group, name)`. `schema.build`
converts a composed configuration to frozen objects of these classes.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config.backbone import AUTO as AUTO
from pipeline.config.backbone import CLASS_WEIGHTS as CLASS_WEIGHTS
from pipeline.config.backbone import MAX_LENGTH as MAX_LENGTH
from pipeline.config.backbone import Backbone as Backbone
from pipeline.config.backbone import Finetuning as Finetuning
from pipeline.config.backbone import Training as Training
from pipeline.config.backbone import Weights as Weights
from pipeline.config.kinds import KINDS as KINDS
from pipeline.config.kinds import DataSource as DataSource
from pipeline.config.kinds import Optim as Optim
from pipeline.config.kinds import Step as Step
from pipeline.config.kinds import kind as kind
from pipeline.config.settings import MISSING as MISSING
from pipeline.config.settings import Names as Names
from pipeline.config.settings import Settings as Settings
from pipeline.config.settings import digest as digest
from pipeline.config.settings import names_of as names_of
from pipeline.config.settings import out_of_bounds as out_of_bounds
from pipeline.config.settings import plain as plain
from pipeline.config.settings import setting as setting
from pipeline.errors import ConfigError

_HERE = Path(__file__).resolve().parents[1]
CONF = _HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parent / "conf"  # a wheel contains it in the package


@dataclass(frozen=True)
class Measure(Settings):
    """How a classifier is measured."""

    protocol: str = setting("queries", choices=("queries", "book"))
    queries: int = setting(100, min=1)  # texts of each pair ("queries"), or calls of one text ("book")
    warmup_calls: int = setting(20, min=0)
    query: str | None = None  # "book": the text that is timed
    batch_size: int = setting(32, min=1)  # texts per batch, for throughput and for predicting the splits
    threads: int = setting(1, min=1)  # threads the classifier may use while it is timed
    seed: int = setting(0, min=0)  # draws the queries of each pair; the same for every optimization
    precision: float = setting(0.03, above=0)  # pairs are added until the speed-up's interval is narrower than this share
    max_seconds: float = setting(60.0, min=0)  # or until another pair would exceed this time; 0: one pair, no interval
    margin: float = setting(0.02, min=0)  # speeds that differ by less than this share count as equal
    profile: bool = True  # also measure latency by tokens, threads, batch size and concurrent clients
    price_per_core_hour: float | None = setting(None, above=0)  # for the cost of a million queries, in its currency
    again: bool = False  # measure again, even if the same measurement of the same artifact exists

    def decisive(self) -> dict[str, Any]:
        """The settings that comparable measurements share: all but those in NOT_DECISIVE."""
        return {key: value for key, value in plain(self).items() if key not in NOT_DECISIVE}


NOT_DECISIVE = ("precision", "max_seconds", "margin", "profile", "price_per_core_hour", "again")


@dataclass(frozen=True)
class Noise(Settings):
    """`python -m pipeline noise`: a classifier is measured against itself and the baseline repeatedly."""

    repetitions: int = setting(40, min=1)
    slowdown: float = setting(0.0, min=0)  # above 0: one of the two is slowed down by this share, as a test


PREFERENCES = ("latency", "size", "accuracy")


@dataclass(frozen=True)
class Decide(Settings):
    """`python -m pipeline decide`: how to choose among the optimizations that keep the constraints."""

    prefer: str = setting("latency", choices=PREFERENCES)
    strict: bool = True  # a constraint must hold for the whole interval, not only for the value
    only: str | None = None  # the only optimization that may be shipped: it is confirmed on test, nothing is chosen
    dry_run: bool = False  # decide, but register nothing

    def __post_init__(self) -> None:
        if self.prefer == "cost":
            raise ConfigError(
                "prefer=cost: texts per core and second are measured once, not in pairs, so they rank nothing; use "
                "decide.prefer=latency, or read the column texts/s/core"
            )
        super().__post_init__()


@dataclass(frozen=True)
class Track(Settings):
    """Where results are stored."""

    uri: str | None = None  # an MLflow server; null: MLFLOW_TRACKING_URI, else SQLite under `root`
    root: str = setting("mlruns", filled=True)  # the directory of everything that a run writes
    artifact_max_mb: float = setting(200.0, min=0)  # larger artifacts are not logged in MLflow; 0: none is


@dataclass(frozen=True)
class Publish(Settings):
    """Where the artifact is published."""

    hub: str | None = None  # a repository on the Hugging Face Hub, user/name


@dataclass(frozen=True)
class Sweep(Settings):
    """A job's place in its sweep; set by the sweep, not by users."""

    id: str | None = None
    job: int | None = None  # counted from 0
    settings: str = ""  # this job's values of the varied keys, besides optimization and seed
    shared: str = ""  # those that concern the baseline too: all but the optimization's own
    seed: str = ""  # such as "seed=1", if the sweep varies it


@dataclass(frozen=True)
class Frontier(Settings):
    """The search space of a search for the Pareto front, and its limits."""

    n_trials: int = setting(12, min=1)
    max_seconds: float = setting(15.0, above=0)  # of measuring, per trial
    depth: list[int] = field(default_factory=lambda: [1, 2, 3])  # layers
    neurons_kept: list[float] = field(default_factory=lambda: [0.3333, 0.5, 1.0])  # share of feed-forward neurons
    vocab_size: list[int] = field(default_factory=lambda: [0, 16000])  # of the vocabulary; 0: all
    rank: list[int] = field(default_factory=lambda: [0, 128])  # of word embeddings; 0: full rank
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
    """The whole configuration of a run."""

    optim: Optim = field(default_factory=Optim)
    baseline: Optim = field(default_factory=Optim)
    data: DataSource = field(default_factory=DataSource)
    backbone: Backbone = field(default_factory=Backbone)
    measure: Measure = field(default_factory=Measure)
    noise: Noise = field(default_factory=Noise)
    frontier: Frontier = field(default_factory=Frontier)
    constraints: dict[str, float | None] = field(default_factory=dict)  # of `pipeline.evaluation.metrics`; None: no bound
    decide: Decide = field(default_factory=Decide)
    track: Track = field(default_factory=Track)
    publish: Publish = field(default_factory=Publish)
    sweep: Sweep = field(default_factory=Sweep)
    explain: bool = False  # explain the columns of tables
    objective: list[str] = field(default_factory=lambda: ["validation/accuracy"])  # metrics for a sweeper, in this order
    seed: int = setting(42, min=0, max=2**32 - 1)

    @property
    def experiment_name(self) -> str:
        """The MLflow experiment for this data and backbone."""
        return f"{self.data.name}/{self.backbone.name}"

    def folder(self, kind: str) -> Path:
        """The directory, outside MLflow, of this experiment's newest files of a kind ("comparison", "decision")."""
        return Path(self.track.root).resolve() / kind / f"{self.data.name}_{self.backbone.name}".replace("/", "_")
