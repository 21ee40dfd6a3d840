"""The typed configuration: every file of `conf/` composes, and what no schema allows is told with its full key."""

import dataclasses
import functools
import itertools
import json
import math
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

import pipeline.data.sources
import pipeline.steps  # noqa: F401  both register their kinds
from pipeline.commands.configuration.compose import configs, parse_arguments
from pipeline.commands.configuration.schema import build, schema
from pipeline.config import CONF, KINDS, Config, Measure, Settings, Track, digest, plain, setting
from pipeline.errors import ConfigError

FILES = sorted(CONF.glob("*/*.yaml"))
REQUIRED = {
    "backbone/own": ["backbone.model=DIR"],
    "data/files": ["data.train=x.csv"],
    "data/hub": ["data.dataset=owner/name"],
    "step/load_checkpoint": ["optim.steps.extra.checkpoint=x"],
    "track/server": ["track.uri=http://127.0.0.1:5000"],
}
KEYS = [
    "seed", "measure.queries", "optim.steps", "optim.steps.finetune.model", "baseline.steps.finetune.model",
    "backbone.teacher.finetune.epochs",
    "data.oos_label", "backbone.teacher.hub", "backbone.student.path", "track.root", "sweep.id",
]  # fmt: skip
COMMAND = re.compile(r"^#\s+((?:[A-Z_]+=\S+ )*)python -m pipeline((?: \S+)*)(?:  .*)?$")


def name_of(file: Path) -> str:
    return f"{file.parent.name}/{file.stem}"


def opening(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return lines[: next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))]


def commands(file: Path) -> list[tuple[list[str], list[str]]]:
    """Environment and arguments of every command in a file's opening comment."""
    found = [match for line in opening(file) if (match := COMMAND.match(line))]
    return [(match[1].split(), shlex.split(match[2])) for match in found]


def test_every_group_has_files() -> None:
    assert {file.parent.name for file in FILES} == {"optim", "step", "data", "backbone", "measure", "track", "experiment"}


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_every_file_composes_and_builds(file: Path, compose: Callable[..., Config]) -> None:
    group, name = file.parent.name, file.stem
    choice = f"+step@optim.steps.extra={name}" if group == "step" else f"{group}={name}"
    config = compose(choice, *REQUIRED.get(name_of(file), []))
    assert build(plain(config)) == config
    if group == "step":
        assert config.optim.steps["extra"].kind == name and type(config.optim.steps["extra"]) is KINDS["step"][name]
    elif group == "data":
        assert type(config.data) is KINDS["data"][name]
    elif group in ("optim", "backbone"):
        assert getattr(config, group).name == name


@pytest.mark.slow
@pytest.mark.parametrize("file", [CONF / "config.yaml", *FILES], ids=name_of)
def test_every_file_opens_with_a_comment_whose_commands_work(
    file: Path, compose: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commands(file), "no command in the opening comment"
    assert any("python -m pipeline" not in line and len(line) > 20 for line in opening(file)), "it does not say what it is"
    if file.parent != CONF:
        marks = (f"{file.parent.name}={file.stem}", f"=[{file.stem}]") if file.parent.name != "step" else ("optim.steps.",)
        assert any(mark in word for _, words in commands(file) for word in words for mark in marks)
    for environment, words in commands(file):
        if not environment and "-m" not in words:
            assert isinstance(compose(*words), Config)
            continue
        with monkeypatch.context() as patch:
            for assignment in environment:
                patch.setenv(*assignment.split("=", 1))
            first = list(itertools.islice(configs(parse_arguments(words)), 2))  # of a sweep
            assert first and all(isinstance(job.config, Config) for job in first)


def test_experiments_sweep_over_optimizations_that_there_are(compose: Callable[..., Config]) -> None:
    known = {file.stem for file in CONF.glob("optim/*.yaml")}
    for file in sorted(CONF.glob("experiment/*.yaml")):
        swept = yaml.safe_load(file.read_text(encoding="utf-8"))["hydra"]["sweeper"]["params"]["optim"]
        names = [name.strip() for name in swept.split(",")]
        assert names == ["glob(*)"] or (len(names) > 5 and len(set(names)) == len(names) and set(names) <= known)
    config = compose("experiment=hundredfold", "optim=student_1l")
    assert (config.optim.name, config.baseline.name) == ("student_1l", "bert_base_random")


@dataclasses.dataclass(frozen=True)
class Bounded(Settings):
    """One field for each kind of bound."""

    least: int = setting(5, min=1, max=9)
    above: float = setting(0.5, above=0, max=1)
    word: str = setting("a", choices=("a", "bb"))
    perhaps: int | None = setting(None, min=1)


def test_values_on_the_bounds_are_allowed() -> None:
    assert Bounded(least=1, above=1e-9, word="bb", perhaps=None) and Bounded(least=9, above=1.0, perhaps=1)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("least", 0, "must be at least 1"), ("least", 10, "must be at most 9"), ("perhaps", 0, "must be at least 1"),
        ("above", 0.0, "must be above 0"), ("above", math.nan, "must be a finite number"),
        ("above", math.inf, "must be a finite number"), ("word", "b", "unknown value; did you mean bb?"),
    ],
)  # fmt: skip
def test_values_outside_the_bounds_are_refused(field: str, value: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Bounded(**{field: value})
    assert f"{field}={value}: {words}" in str(caught.value)


@pytest.mark.parametrize("known", KEYS)
def test_an_unknown_key_is_refused_at_any_depth(known: str, compose: Callable[..., Config]) -> None:
    values = plain(compose())
    *place, key = known.split(".")
    functools.reduce(dict.__getitem__, place, values)[key + "x"] = 1
    with pytest.raises(ConfigError) as caught:
        build(values)
    assert f"{known}x: no such key; did you mean {key}?" in str(caught.value)


def test_a_value_out_of_bounds_is_told_with_its_full_key(compose: Callable[..., Config]) -> None:
    values = plain(compose())
    values["backbone"]["teacher"]["finetune"]["epochs"] = 0
    with pytest.raises(ConfigError, match=r"backbone\.teacher\.finetune\.epochs=0: must be at least 1"):
        build(values)


def test_a_setting_may_have_one_name_or_several(compose: Callable[..., Config]) -> None:
    def column(value: str) -> Any:
        return compose("data=files", "data.train=a.csv", f"data.text_column={value}").data.text_column  # type: ignore[attr-defined]

    assert [column(value) for value in ("body", "1e3", "7")] == ["body", "1e3", "7"]
    config = compose("data=files", "data.train=a.csv", "data.text_column=[title,body]")
    assert plain(config)["data"]["text_column"] == ["title", "body"] and build(plain(config)) == config
    for wrong in ("[]", "null", "{a: b}", "[1.5]"):
        with pytest.raises(ConfigError, match=r"data\.text_column=.*must be a name, or several"):
            column(wrong)


@pytest.mark.parametrize("group", ["step", "data"])
def test_an_unknown_or_missing_kind_is_refused(group: str, compose: Callable[..., Config]) -> None:
    for kind in ("quickstrt", None):
        values = plain(compose())
        settings = values["data"] if group == "data" else values["optim"]["steps"]["finetune"]
        settings.pop("kind")
        settings |= {"kind": kind} if kind else {}
        with pytest.raises(ConfigError, match=f"no such kind of {group}"):
            build(values)


@pytest.mark.slow
def test_only_what_wants_it_pools_otherwise_than_its_architecture(compose: Callable[..., Config]) -> None:
    assert {compose(f"backbone={name}").backbone.teacher.pooling for name in ("minilm", "bert_base", "book")} == {"first"}
    assert compose("experiment=hundredfold", "data=clinc150").backbone.teacher.pooling == "mean"
    optims = {file.stem: compose(f"optim={file.stem}").optim for file in sorted(CONF.glob("optim/*.yaml"))}
    pooled = {name for name, optim in optims.items() if '"pooling": "mean"' in json.dumps(plain(optim))}
    assert pooled == {name for name in optims if name.startswith("student_")} | {"cascade"}


def test_an_optimization_without_steps_is_refused(compose: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError, match=r"optim\.steps is empty"):
        compose("~optim.steps.finetune")


def test_the_digest_depends_on_the_content_alone() -> None:
    assert digest({"b": [1, 2.5], "a": "ü"}) == digest({"a": "ü", "b": [1, 2.5]})
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # SHA-256 of "{}"
    assert len({digest(value) for value in ({"a": 1}, {"a": 2}, {"a": "1"}, {"b": 1}, {"a": [1]}, {"a": None})}) == 6
    with pytest.raises(ValueError, match="JSON compliant"):
        digest(float("nan"))


@pytest.mark.slow
def test_a_whole_number_and_a_float_of_that_value_have_the_same_digest(compose: Callable[..., Config]) -> None:
    teacher = "backbone.teacher.finetune"
    keys = (f"{teacher}.weight_decay", f"{teacher}.learning_rate", "track.artifact_max_mb")
    whole, real, other = (plain(compose(*(f"{key}={value}" for key in keys))) for value in ("1", "1.0", "0.5"))
    assert digest(whole) == digest(real)
    for key in keys:
        one, half = (functools.reduce(dict.__getitem__, key.split("."), values) for values in (whole, other))
        assert digest(one) != digest(half)
    assert digest(plain(compose())) == digest(plain(compose()))


def test_steps_keep_the_order_in_which_they_were_given(compose: Callable[..., Config]) -> None:
    names = ["zeta", "alpha", "middle"]
    extra = [item for n in names for item in (f"+step@optim.steps.{n}=load_checkpoint", f"optim.steps.{n}.checkpoint=x")]
    config = compose("optim=baseline", *extra)
    assert list(config.optim.steps) == list(plain(config)["optim"]["steps"]) == ["finetune", *names]


def test_a_step_is_added_and_removed_on_the_command_line(compose: Callable[..., Config]) -> None:
    config = compose(
        "~optim.steps.finetune", "+step@optim.steps.ready=load_checkpoint", "optim.steps.ready.checkpoint=some/where"
    )
    assert plain(config.optim.steps["ready"]) == {"kind": "load_checkpoint", "checkpoint": "some/where", "revision": None}
    assert list(config.optim.steps) == ["ready"] and list(config.baseline.steps) == ["finetune"]


def settings_in(value: Any) -> Iterator[Any]:
    if dataclasses.is_dataclass(value):
        yield value
        for item in dataclasses.fields(value):
            yield from settings_in(getattr(value, item.name))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from settings_in(inner)


def test_what_is_built_is_frozen(compose: Callable[..., Config]) -> None:
    found = list(settings_in(compose()))
    assert len(found) >= 10 and {Config, Measure, Track, KINDS["step"]["finetune"]} <= {type(item) for item in found}
    for item in found:
        field = dataclasses.fields(item)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(item, field, getattr(item, field))


@pytest.mark.parametrize("cls", [Config, *KINDS["step"].values(), *KINDS["data"].values()], ids=lambda cls: cls.__name__)
def test_schemas_are_mutable_twins_with_the_same_fields_and_defaults(cls: Any) -> None:
    twin = schema(cls)
    assert twin is schema(cls) and twin is not cls
    node = OmegaConf.structured(twin)
    assert list(node.keys()) == [item.name for item in dataclasses.fields(cls)] and not OmegaConf.is_readonly(node)
    for item in dataclasses.fields(cls):
        if item.default not in (dataclasses.MISSING, "???"):
            assert node[item.name] == item.default
            node[item.name] = item.default  # raises where it is read-only
