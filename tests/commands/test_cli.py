"""The command line: every mistake is one line and exit code 2, before anything is written; help, `--cfg`, `--config-dir`."""

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from pipeline.cli import main, with_explain_setting
from pipeline.commands import names
from pipeline.commands.configuration.compose import configs, parse_arguments
from pipeline.config import CONF, Config, plain
from pipeline.evaluation.latency.process import ROOT

LOAD, EPOCHS, OWN = "+step@optim.steps.more=load_checkpoint", "backbone.teacher.finetune.epochs", "data=files backbone=tiny"
OPTIM = "# For a test.\ndefaults:\n  - /step/finetune@steps.finetune\n  - _self_\nname: {name}\n{rest}"

# What is typed (FILES is a directory of wrong files, see `files`), and the words that the line must have.
MISTAKES: list[tuple[str, list[str]]] = [
    # names
    ("decid", ["decid: no such command", "did you mean decide?"]),
    ("help nosuch", ["help nosuch", "neither a group nor a subcommand", "known: "]),
    ("help optm", ["help optm", "did you mean optim?"]),
    ("optim=distilbrt", ["distilbrt", "conf/optim", "did you mean optim=distilbert?"]),
    ("optin=baseline", ["optin", "did you mean optim?"]),
    ("data=clinc15", ["did you mean data=clinc150?"]),
    ("backbone=minlm", ["did you mean backbone=minilm?"]),
    ("measure=fast", ["'fast'", "conf/measure", "book, quick, standard"]),
    ("track=sever", ["did you mean track=server?"]),
    ("experiment=quickstrt", ["did you mean experiment=quickstart?"]),
    ("optim@baselin=baseline", ["optim@baselin", "optim@baseline"]),
    (f"{LOAD}s", ["'load_checkpoints'", "conf/step", "did you mean step=load_checkpoint?"]),
    ("~optim.steps.finetun", ["optim.steps.finetun", "does not exist"]),
    ("data.kind=quickstar", ["data.kind=quickstar", "did you mean quickstart?"]),
    # names that were other ones before
    ("optim=bert_ort_int8", ["optim=bert_ort_int8 is called optim=baseline_onnx_int8 now"]),
    ("decide optim=bert", ["optim=bert is called optim=baseline now"]),
    ("+step@optim.steps.q=quantize_dynamic", ["step=quantize_dynamic is called step=quantize_torch_dynamic now"]),
    ("baseline.steps.finetune.head_rate=2", ["head_rate is called backbone.teacher.finetune.head_lr_multiplier now"]),
    ("optim.steps.finetune.epochs=4", ["finetune.epochs is called backbone.student.finetune.epochs now"]),
    ("baseline.steps.finetune.epochs=4", ["finetune.epochs is called backbone.teacher.finetune.epochs now"]),
    (
        "optim=distillation optim.steps.distill.teacher.steps.finetune.learning_rate=5e-5",
        ["teacher.steps.finetune.learning_rate is called backbone.teacher.finetune.learning_rate now"],
    ),
    (
        "--config-dir FILES optim=old",
        ["epochs is called backbone.teacher.finetune.epochs or backbone.student.finetune.epochs now", "optim/old.yaml"],
    ),
    ("decide budget.size_mb=30", ["budget is called constraints now"]),
    ("decide prefer=size", ["prefer is called decide.prefer now"]),
    # keys
    ("measure.quries=10", ["measure.quries: no such key", "did you mean queries?"]),
    ("backbone.teacher.finetune.epoch=3", ["backbone.teacher.finetune.epoch: no such key", "did you mean epochs?"]),
    ("optim.steps.finetun.model=teacher", ["optim.steps.finetun: no such key", "did you mean finetune?"]),
    ("+backbone.teacher.hubb=x", ["backbone.teacher.hubb: no such key", "did you mean hub?"]),
    ("+foo=1", ["foo: no such key", "measure, noise, objective, optim"]),
    ("-m --cfg job optim=baseline,baseline_onnx", ["--cfg shows one configuration"]),
    # types
    (f"{EPOCHS}=three", [EPOCHS, "'three'", "is not a whole number"]),
    ("baseline=baseline_onnx", ["optim@baseline=baseline_onnx"]),
    ("constraints=5", ["constraints is a group of settings", "constraints.KEY=VALUE"]),
    ("backbone.teacher.finetune.freeze_embeddings=perhaps", ["backbone.teacher.finetune.freeze_embeddings", "'perhaps'"]),
    ("seed=null", ["seed"]),
    ("backbone.teacher=x", ["backbone.teacher is a group of settings", "backbone.teacher.KEY=VALUE"]),
    ("measure=null", ["measure"]),
    # ranges
    ("seed=-1", ["seed=-1", "at least 0"]),
    ("measure.queries=0", ["measure.queries=0", "at least 1"]),
    ("backbone.teacher.finetune.learning_rate=0", ["backbone.teacher.finetune.learning_rate=0", "above 0"]),
    ("backbone.teacher.finetune.learning_rate=nan", ["backbone.teacher.finetune.learning_rate", "finite"]),
    ("optim.steps.finetune.model=techer", ["did you mean teacher?"]),
    (f"{OWN} data.train=x.csv data.test_fraction=0.9", ["data.test_fraction=0.9", "at most 0.5"]),
    ("measure.threads=9999", ["measure.threads=9999", "this machine allows"]),
    ("optim.name=", ["optim.name"]),
    # what is missing, or in the wrong place
    (OWN, ["data.train is not set", "data.train=VALUE"]),
    ("data=hub", ["data.dataset is not set", "data.dataset=VALUE"]),
    ("track=server", ["track.uri", "MLFLOW_TRACKING_URI"]),
    ("~optim.steps.finetune", ["optim.steps is empty", "finetune or load_checkpoint"]),
    (f"{LOAD} optim.steps.more.checkpoint=x", ["optim.steps.more", "as finetune before it", "'~optim.steps.finetune'"]),
    ("~backbone.teacher.sha256", ["~backbone.teacher.sha256: ", "can't be removed", "backbone.teacher.sha256=null"]),
    ("~backbone.teacher.path", ["~backbone.teacher.path removes nothing"]),
    # how overrides are written, and flags
    ("optim", ["optim: no such command", "GROUP.KEY=VALUE"]),
    ("optim=[baseline", ["can't read", "optim=[baseline"]),
    ("seed=${nope}", ["seed", "nope"]),
    ("optim=baseline,distilbert", ["optim=baseline,distilbert", "-m"]),
    ("--multirum", ["--multirum", "--help"]),
    ("--cfg jobs", ["--cfg", "jobs"]),
    ("--resolve", ["--resolve", "--cfg"]),
    ("--config-dir nowhere", ["--config-dir", "nowhere", "no such directory"]),
    # sweeps
    ("-m optim=baseline,distilbrt", ["'distilbrt'", "did you mean optim=distilbert?"]),
    ("-m optim=glob(nothing*)", ["optim", "nothing*"]),
    ("-m seed=1,-1", ["seed=-1", "at least 0"]),
    (f"-m {EPOCHS}=choice(1,x)", [EPOCHS, "'x'", "is not a whole number"]),
    ("-m measure.quries=1,2", ["measure.quries", "did you mean queries?"]),
    # files of one's own
    ("--config-dir FILES optim=broken", ["broken.yaml", "line 6", "not YAML"]),
    ("--config-dir FILES optim=wrong_key", ["optim/wrong_key.yaml", "nmae", "did you mean name?"]),
    ("--config-dir FILES optim=wrong_type", ["optim/wrong_type.yaml", "epochs", "'lots'"]),
    ("--config-dir FILES optim=wrong_step", ["'finetun'", "did you mean step=finetune?"]),
    # data
    (f"{OWN} data.train=FILES/nowhere.csv", ["nowhere.csv: no such file"]),
    (f"{OWN} data.train=FILES/column.csv", ["column.csv", "no column 'label'", "category", "data.label_column"]),
    (f"{OWN} data.train=FILES/latin1.csv", ["latin1.csv, line 3: not UTF-8, looks like cp1252: set data.encoding=cp1252"]),
    (f"{OWN} data.train=FILES/one_class.csv", ["one_class.csv: only one class", "'x'"]),
    (f"{OWN} data.train=FILES/empty.csv", ["empty.csv", "train split is empty"]),
    (f"{OWN} data.train=FILES/blank.csv", ["blank.csv, row 4, column 'text'", "empty text"]),
    (f"{OWN} data.train=FILES/table.xls", ["table.xls", ".parquet"]),
    ("backbone=tiny data.oos_label=ooos", ["data.oos_label=ooos", "did you mean oos?"]),
    # what can't be reached
    ("backbone.teacher.path=nowhere", ["backbone.teacher.path=nowhere", "no such directory"]),
    ("backbone=tiny track.uri=http://127.0.0.1:9", ["no MLflow server answers at http://127.0.0.1:9"]),
    ("backbone=tiny track.uri=ftp://somewhere", ["ftp://somewhere", "http"]),
    ("backbone=tiny track.root=FILES/empty.csv/below", ["empty.csv/below", "track.root"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of wrong data files, and of wrong files in `optim/`."""
    directory = tmp_path_factory.mktemp("files")
    many = b"".join(b"text %d,x\n" % i for i in range(20))
    for name, content in {
        "column.csv": b"text,category\na,x\nb,y\n",
        "latin1.csv": b"text,label\nplain,x\ncaf\xe9,y\n",
        "one_class.csv": b"text,label\n" + many,
        "empty.csv": b"text,label\n",
        "blank.csv": b"text,label\na,x\nb,y\n ,x\n",
        "table.xls": b"\xd0\xcf\x11\xe0",
    }.items():
        (directory / name).write_bytes(content)
    (directory / "optim").mkdir()
    for name, text in {
        "broken": OPTIM.format(name="[broken", rest=""),
        "wrong_key": OPTIM.format(name="x", rest="nmae: y\n"),
        "wrong_type": OPTIM.format(name="x", rest="steps:\n  finetune:\n    epochs: lots\n").replace("finetune", "prune"),
        "old": OPTIM.format(name="x", rest="steps:\n  finetune:\n    epochs: 3\n"),
        "wrong_step": OPTIM.format(name="x", rest="").replace("/finetune@", "/finetun@"),
        "mine": OPTIM.format(name="mine", rest="steps:\n  finetune:\n    model: student\n"),
    }.items():
        (directory / "optim" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return directory


@pytest.fixture
def typed(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[str], tuple[object, str, str]]]:
    """What is typed -> exit code, standard output and standard error, run in an empty directory."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # so that what the program sets is undone
    loggers = [logging.getLogger(name) for name in (None, "pipeline")]
    monkeypatch.setattr("pipeline.run.optimize", None)  # a mistake that nobody notices must not train: calling it raises
    kept = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    handler = signal.getsignal(signal.SIGTERM)

    def run(line: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["pipeline", *line.replace("FILES", str(files)).split()])
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code, *capsys.readouterr()

    yield run
    signal.signal(signal.SIGTERM, handler)
    for logger, level, handlers in kept:
        logger.level, logger.handlers = level, handlers


@pytest.mark.slow
@pytest.mark.parametrize(("line", "words"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_one_line_and_leaves_nothing_behind(
    line: str, words: list[str], typed: Callable[[str], tuple[object, str, str]]
) -> None:
    code, out, err = typed(line)
    assert code == 2 and out == ""
    assert len(err.splitlines()) == 1 and err.endswith("\n") and "Traceback" not in err, err
    assert [word for word in words if word not in err] == [], err
    assert list(Path.cwd().iterdir()) == []


def python(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], cwd=directory, env=environment, capture_output=True, text=True)


def test_a_mistake_ends_the_process_with_2(tmp_path: Path) -> None:
    done = python(tmp_path, "-m", "pipeline", "optim=distilbrt")
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert "did you mean optim=distilbert?" in done.stderr and list(tmp_path.iterdir()) == []


def test_help_fits_on_a_screen_and_imports_nothing_slow(tmp_path: Path) -> None:
    done = python(tmp_path, "-X", "importtime", "-m", "pipeline", "--help")
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert done.returncode == 0 and "pipeline" in imported
    assert imported.isdisjoint({"torch", "transformers", "datasets", "mlflow", "evaluate", "sklearn", "matplotlib", "hydra"})
    lines = done.stdout.splitlines()
    assert len(lines) <= 50 and max(map(len, lines)) <= 120
    words = set(done.stdout.replace(",", " ").replace(":", " ").split())
    assert {path.stem for path in CONF.glob("*/*.yaml")} | {path.parent.name for path in CONF.glob("*/*.yaml")} <= words
    assert set(names()) - {"run"} <= {line.split()[0] for line in lines if line.strip()}


@pytest.mark.parametrize("line", ["-h", "--help", "help", "run --help", "optim=baseline -h"])
def test_help_is_asked_for_in_many_ways(line: str, typed: Callable[[str], tuple[object, str, str]]) -> None:
    code, out, err = typed(line)
    assert (code, err) == (0, "") and out.startswith("Make a transformer text classifier smaller and faster")


@pytest.mark.parametrize("name", names())
def test_a_subcommand_says_what_it_does_in_a_line_and_has_an_example(
    name: str, typed: Callable[[str], tuple[object, str, str]]
) -> None:
    code, out, err = typed(f"help {name}")
    first, blank, *rest = out.partition(f"\n\n{name}: ")[0].splitlines()
    assert (code, err, blank) == (0, "", "") and len(first) <= 90 and first[0].isupper() and first.endswith(".")
    assert any(f"python -m pipeline {name}" in line for line in rest) or name == "run"
    assert max(map(len, rest)) <= 120
    if name not in ("run", "help"):
        assert typed(f"{name} --help") == typed(f"{name} -h") == (0, out, "")


@pytest.mark.parametrize("group", sorted({path.parent.name for path in CONF.glob("*/*.yaml")}))
def test_help_of_a_group_has_one_line_of_each_choice(group: str, typed: Callable[[str], tuple[object, str, str]]) -> None:
    code, out, err = typed(f"help {group}")
    choices = dict(line.split(maxsplit=1) for line in out[out.index(f"{group}: ") :].splitlines()[1:])
    assert (code, err) == (0, "") and set(choices) == {path.stem for path in (CONF / group).glob("*.yaml")}
    assert all(len(text) > 20 for text in choices.values())


def test_cfg_job_shows_the_resolved_configuration(
    typed: Callable[[str], tuple[object, str, str]], compose: Callable[..., Config]
) -> None:
    line = "data=hub data.dataset=owner/name seed=7 --cfg job"
    code, out, err = typed(line)
    assert (code, err) == (0, "") and list(Path.cwd().iterdir()) == []
    assert yaml.safe_load(out) == plain(compose(*line.split()))
    assert yaml.safe_load(out)["data"]["name"] == "owner/name"


def test_a_file_in_a_directory_of_ones_own_is_an_option(typed: Callable[[str], tuple[object, str, str]]) -> None:
    code, out, err = typed("--config-dir FILES optim=mine --cfg job")
    shown = yaml.safe_load(out)["optim"]
    assert (code, err, shown["name"]) == (0, "", "mine")
    assert shown["steps"] == {"finetune": {"kind": "finetune", "model": "student"}}


def test_a_directory_of_ones_own_may_have_any_name(files: Path, tmp_path: Path) -> None:
    place = shutil.copytree(files, tmp_path / "a, [b]='c\\' ?#%41 ü")
    (composed,) = configs(parse_arguments(["--config-dir", str(place), "optim=mine"]))
    assert composed.config.optim.name == "mine"


@pytest.mark.parametrize("name", ["decide", "rollback", "page", "compare"])
@pytest.mark.parametrize("flag", ["-m", "--cfg job", "--info all"])
def test_subcommands_that_take_one_configuration_refuse_hydras_flags(
    name: str, flag: str, typed: Callable[[str], tuple[object, str, str]]
) -> None:
    code, out, err = typed(f"{name} {flag}")
    assert (code, out, err.count("\n")) == (2, "", 1) and "is for python -m pipeline" in err


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ("optim=baseline", "optim=baseline"),
        ("--explain", "explain=true"),
        ("-m optim=a,b seed=1 --explain", "-m explain=true optim=a,b seed=1"),
        ("--explain --cfg job seed=1", "--cfg job explain=true seed=1"),
    ],
)
def test_the_flag_that_explains_the_columns_is_a_setting(typed: str, given: str) -> None:
    assert with_explain_setting(typed.split()) == given.split()
