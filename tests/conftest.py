"""What the tests share: a toy data set, the tiny backbone, a ready MLflow database; real Hydra, real MLflow, no network."""

import atexit
import contextlib
import csv
import functools
import gc
import getpass
import itertools
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # as the program sets it
os.environ["OMP_NUM_THREADS"] = "1"  # the networks are tiny, and tests run side by side
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", f"{tempfile.gettempdir()}/torchinductor_tests")  # one for all processes
if "PYTEST_XDIST_WORKER" in os.environ:  # tests that run side by side must not wait for each other's turn to measure
    os.environ["TMPDIR"] = tempfile.mkdtemp(prefix=f"{os.environ['PYTEST_XDIST_WORKER']}-")
    tempfile.tempdir = None
    Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).mkdir(parents=True, exist_ok=True)
    headers = f"{os.environ['TMPDIR']}/torchinductor_{getpass.getuser()}"  # for precompiled ones
    Path(headers).symlink_to(os.environ["TORCHINDUCTOR_CACHE_DIR"])
    atexit.register(shutil.rmtree, os.environ["TMPDIR"], ignore_errors=True)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ.pop("MLFLOW_TRACKING_URI", None)

from hydra.core.global_hydra import GlobalHydra

from pipeline.commands.configuration.compose import configs, parse_arguments
from pipeline.config import Config, Optim, Step, Track, Weights
from pipeline.steps.base import Context
from pipeline.steps.execute import StepsResult, check_order, plan, run_steps
from pipeline.steps.export_onnx import ExportOnnx
from pipeline.steps.finetune import Finetune
from pipeline.steps.low_rank import LowRank
from pipeline.steps.random_init import RandomInit
from pipeline.steps.store import Store
from tests.support import forked

signal.signal(signal.SIGINT, signal.default_int_handler)  # what was started with & by a shell's script ignores Ctrl-C

Carried = Callable[..., tuple[StepsResult, Context]]  # what the fixture `carried` gives
PLACES = ("data.train", "track.root")  # settings that are paths of a test
LEARNED = [  # with these the tiny network knows the toy data
    "backbone.teacher.finetune.epochs=8", "backbone.teacher.finetune.learning_rate=3e-3",
    "backbone.teacher.finetune.batch_size=8",
]  # fmt: skip
EPOCH = ["backbone.teacher.finetune.epochs=1", "backbone.student.finetune.epochs=1"]
CLINC150 = Path(__file__).resolve().parents[2] / "shared" / "data" / "clinc150" / "data_oos_plus.json"
TOPICS = {
    "weather": ["rain tomorrow", "is it sunny", "snow today", "how cold is it", "wind speed"],
    "music": ["play a song", "next track", "turn it up", "who sings this", "stop the music"],
    "food": ["order a pizza", "book a table", "recipe for soup", "is milk vegan", "lunch ideas"],
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that the processes that run tests end at about the same time."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: slow[item.path] == 0)


@pytest.fixture(autouse=True)
def clean_hydra() -> Iterator[None]:
    yield
    GlobalHydra.instance().clear()


@pytest.fixture(scope="module", autouse=True)
def few_collections() -> None:
    """Set aside what the imported libraries consist of: each training ends with a collection of garbage that looks at it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def forked_workers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Processes that measure are forked, but where measuring is the subject: a new interpreter imports for seconds."""
    real = request.module.__name__.startswith("tests.evaluation.")
    with contextlib.nullcontext() if real else forked.workers():
        yield


@pytest.fixture
def compose() -> Callable[..., Config]:
    """Overrides -> the typed configuration, through Hydra."""
    return composed


def composed(*overrides: str) -> Config:
    """The same; what differs only in where a test's files lie is composed once."""
    keys = [override.partition("=")[0] for override in overrides]
    places = {key: override.partition("=")[2] for key, override in zip(keys, overrides, strict=True) if key in PLACES}
    config = _composed(tuple(f"{key}={key}" if key in PLACES else o for key, o in zip(keys, overrides, strict=True)))
    for key, value in places.items():
        group, name = key.split(".")
        config = replace(config, **{group: replace(getattr(config, group), **{name: value})})
    return config


@functools.cache
def _composed(overrides: tuple[str, ...]) -> Config:
    return next(configs(parse_arguments(list(overrides)))).config


@pytest.fixture(scope="session")
def toy_rows() -> list[tuple[str, str]]:
    """90 short texts of three topics, none twice."""
    return [(f"{phrase} {i}", label) for label, phrases in TOPICS.items() for phrase in phrases for i in range(6)]


@pytest.fixture
def toy_csv(tmp_path: Path, toy_rows: list[tuple[str, str]]) -> Path:
    """The toy data as a CSV with the columns text and label."""
    return write_csv(tmp_path / "toy.csv", toy_rows)


def write_csv(path: Path, rows: list[tuple[str, str]], header: tuple[str, str] = ("text", "label")) -> Path:
    """Write a CSV and return its path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(scope="session")
def ready_database(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A fresh MLflow database; making one takes seconds, so one of the processes that run tests does, and tests copy it."""
    from pipeline.tracking.server import connect

    base = tmp_path_factory.getbasetemp()
    root = (base if worker_id == "master" else base.parent) / "ready"
    with FileLock(f"{root}.lock"):
        if not root.exists():
            connect(Track(root=f"{root}.new"))
            os.rename(f"{root}.new", root)
    return root / "mlflow.db"


@pytest.fixture
def root(tmp_path: Path, ready_database: Path) -> Path:
    """An empty `track.root` with a ready database."""
    directory = tmp_path / "mlruns"
    directory.mkdir()
    shutil.copy(ready_database, directory / "mlflow.db")
    return directory


def shrunk(config: Config) -> Config:
    """The same configuration with every training one epoch long, those of teachers inside of steps too; no large network."""
    backbone = replace(config.backbone, teacher=_quick(config.backbone.teacher), student=_quick(config.backbone.student))
    return replace(config, optim=_short(config.optim), baseline=_short(config.baseline), backbone=backbone)


def _quick(weights: Weights) -> Weights:
    """Batches of 32 make more than one step of the toy data; the first has a learning rate of 0."""
    return replace(weights, finetune=replace(weights.finetune, epochs=1, batch_size=32))


def _short(optim: Optim) -> Optim:
    return replace(optim, steps={name: _short_step(step) for name, step in optim.steps.items()})


def _short_step(step: Step) -> Step:
    changes: dict[str, Any] = {}
    if isinstance(step, RandomInit):
        changes = {"num_layers": 1, "hidden_size": 24, "intermediate_size": 32}
    elif isinstance(step, LowRank):
        changes = {"embeddings": 8}
    for item in fields(step):
        value = getattr(step, item.name)
        if item.name == "epochs":
            changes["epochs"] = 1
        elif isinstance(value, Optim):
            changes[item.name] = _short(value)
    return replace(step, **changes)


@pytest.fixture
def tiny(root: Path, toy_csv: Path) -> list[str]:
    """Overrides that make a job small: the tiny backbone, one epoch, the toy data, a glance at latency."""
    return [*small(root, toy_csv), *EPOCH]


def small(root: Path, toy_csv: Path) -> list[str]:
    """The same for any optimization, whatever its steps are called: trainings keep their length (see `shrunk`)."""
    return [
        "backbone=tiny", "measure=quick", "data=files", "data.name=toy", f"data.train={toy_csv}", f"track.root={root}",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `track.root` with every classifier that was fine-tuned and exported for `with_trained`."""
    return tmp_path_factory.mktemp("trained")


def with_trained(optim: Optim, context: Context, trained: Path, root: Path) -> Store:
    """The store of a root that has the stages of the optimization's first steps: the fine-tuning, and its export."""
    plan(optim, context)  # raises for what can't be made, before anything is trained
    first = dict(itertools.takewhile(lambda item: isinstance(item[1], Finetune | ExportOnnx), optim.steps.items()))
    for stage in run_steps(replace(optim, steps=first), context, Store(trained)).stages if first else ():
        shutil.copytree(stage.directory, root / "stages" / stage.directory.name, dirs_exist_ok=True)
    return Store(root)


@pytest.fixture
def carried(compose: Callable[..., Config], root: Path, toy_csv: Path, trained: Path) -> Carried:
    """Overrides -> what optim=baseline makes with further steps."""

    def carry(*overrides: str) -> tuple[StepsResult, Context]:
        config = compose("optim=baseline", *small(root, toy_csv), *overrides)
        check_order(config.optim, config.backbone)
        context = Context(config.data.load(0), config.backbone, 0)
        return run_steps(config.optim, context, with_trained(config.optim, context, trained, root)), context

    return carry
