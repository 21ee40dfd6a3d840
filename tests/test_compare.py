"""The comparison: the table in its three forms, the files it writes, and drawing it all again from what MLflow holds."""

import csv
import io
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import pytest
from mlflow import MlflowClient

from pipeline.compare import COLUMNS, LEGEND, main, redraw, table, to_csv, write
from pipeline.config import Config
from pipeline.report import Row


def row(optim: str, accuracy: float = 0.9, p50: float = 8.0, mb: float = 80.0, **more: float) -> Row:
    metrics = {"quality/accuracy": accuracy, "latency/p50_ms": p50, "size/mb": mb}
    return Row(
        optim, metrics | {key.replace("__", "/"): value for key, value in more.items()}, f"id-{optim}", optim == "bert"
    )


FEW = [
    row("fast", 0.8512, 2.0, 20.0, delta__speedup=4.0123, delta__size_ratio=3.996, training__loss=0.5),
    row("slow", 1 / 3, 16.0, 79.96, quality__oos_recall=0.51),
    row("bert", 0.9, 8.0, 80.0, delta__speedup=1.0, delta__size_ratio=1.0),
]


def test_the_baseline_comes_first_and_marked_then_the_slowest_to_the_fastest() -> None:
    assert [cells[0] for cells in table(FEW).cells] == ["optimization", "bert *", "slow", "fast"]


def test_cells_have_their_units_and_missing_metrics_are_dashes() -> None:
    titles, *rows = table(FEW).cells
    assert titles == ["optimization", "accuracy %", "oos recall %", "p50 ms", "faster", "size MB", "smaller"]
    assert rows == [
        ["bert *", "90.0", "-", "8.00", "1.00x", "80.0", "1.00x"],
        ["slow", "33.3", "51.0", "16.00", "-", "80.0", "-"],
        ["fast", "85.1", "-", "2.00", "4.01x", "20.0", "4.00x"],
    ]


def test_a_column_is_shown_where_one_row_has_it_and_left_out_where_none_has() -> None:
    whole = row("bert", **{column.key.replace("/", "__"): 0.5 for column in COLUMNS})
    assert table([whole, row("other")]).cells[0] == ["optimization", *(column.title for column in COLUMNS)]
    assert len(table([row("bert")]).cells[0]) == 4


def test_the_terminals_table_is_aligned() -> None:
    lines = table(FEW).plain().splitlines()
    assert len({len(line) for line in lines}) == 1 and len(lines) == 5
    end = lines[0].index("p50 ms") + len("p50 ms")
    assert [line[end - 5 : end].strip() for line in lines[2:]] == ["8.00", "16.00", "2.00"]


def test_markdown_and_csv_parse_back_to_the_same_numbers() -> None:
    head, rule, *lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table(FEW).markdown().splitlines()
    ]
    assert [head, *lines] == table(FEW).cells and rule == ["---"] + ["---:"] * (len(head) - 1)
    read = list(csv.DictReader(io.StringIO(to_csv(FEW))))
    by_name = {item.optim: item for item in FEW}
    assert [line.pop("optim") for line in read] == ["bert", "slow", "fast"]
    for line, name in zip(read, ["bert", "slow", "fast"], strict=True):
        assert (line.pop("run_id"), line.pop("settings"), line.pop("runs")) == (by_name[name].run_id, "", "1")
        expected = {key: value for key, value in by_name[name].metrics.items() if not key.startswith("training/")}
        assert {key: float(value) for key, value in line.items() if value} == expected  # to the last digit


@pytest.mark.parametrize("rows", [FEW[2:], FEW], ids=len)
def test_all_four_files_are_written_and_readable(rows: list[Row], tmp_path: Path) -> None:
    made = write(rows, "bert", "toy/tiny", tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert {file.name for file in folder.iterdir()} == {f"comparison.{kind}" for kind in ("png", "svg", "md", "csv")}
    image = matplotlib.image.imread(folder / "comparison.png")
    assert image.shape[1] > image.shape[0] > 500 and image.std() > 0.01
    assert ElementTree.parse(folder / "comparison.svg").getroot().tag.endswith("svg")
    assert (folder / "comparison.md").read_text(encoding="utf-8") == f"{made.markdown()}\n\n{LEGEND}\n"


def log_run(
    client: MlflowClient, optim: str, ended: int, p50: float, comparable: str = "same", status: str = "FINISHED"
) -> str:
    """A run by hand, that ended so many seconds after the first."""
    experiment = client.get_experiment_by_name("toy/tiny")
    number = experiment.experiment_id if experiment else client.create_experiment("toy/tiny")
    tags = {"optim": optim, "baseline": "bert", "comparable": comparable}
    run_id = str(client.create_run(number, tags=tags, run_name=optim).info.run_id)
    for key, value in row(optim, p50=p50, delta__speedup=8.0 / p50).metrics.items():
        client.log_metric(run_id, key, value)
    client.set_terminated(run_id, status, end_time=1_700_000_000_000 + 1000 * ended)
    return run_id


def toy(root: Path) -> list[str]:
    return ["data=files", "data.name=toy", "data.train=is/never/read.csv", "backbone=tiny", f"track.root={root}"]


@pytest.fixture
def logged(root: Path) -> dict[str, str]:
    """Runs in a real database; those that must be in the comparison."""
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    log_run(client, "bert", 9, 7.0, comparable="other data")
    newest = {"fast": log_run(client, "fast", 30, 2.0)}  # logged first, ended last
    log_run(client, "fast", 20, 3.0)
    newest["bert"] = log_run(client, "bert", 10, 8.0)
    log_run(client, "odd", 25, 1.0, comparable="other machine")
    log_run(client, "fast", 40, 1.5, status="FAILED")
    client.delete_run(log_run(client, "fast", 50, 1.2))
    return newest


def test_drawing_again_takes_the_newest_comparable_run_of_each_optimization(
    root: Path, logged: dict[str, str], compose: Callable[..., Config], capsys: pytest.CaptureFixture[str]
) -> None:
    redraw(compose(*toy(root)))
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[2:4]] == ["bert", "fast"] and "4.00x" in out and LEGEND in out
    folder = root / "comparison" / "toy_tiny"
    assert f"plot: {folder / 'comparison.png'}" in out and len(list(folder.iterdir())) == 4
    read = list(csv.DictReader((folder / "comparison.csv").open(encoding="utf-8")))
    assert [(line["optim"], line["run_id"]) for line in read] == [("bert", logged["bert"]), ("fast", logged["fast"])]
    assert [float(line["latency/p50_ms"]) for line in read] == [8.0, 2.0]


def test_drawing_again_needs_neither_models_nor_data(root: Path, logged: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "pipeline.compare", *toy(root)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], env=os.environ.copy(), capture_output=True, text=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0 and logged and "mlflow" in imported, done.stderr[-2000:]
    assert imported.isdisjoint({"torch", "transformers", "datasets"})


def test_an_experiment_without_finished_runs_is_one_line_and_is_not_made(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["compare", *toy(root)])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n")) == (2, "", 1)
    assert "'toy/tiny' has no finished run yet" in err and not (root / "comparison").exists()
    assert MlflowClient(f"sqlite:///{root / 'mlflow.db'}").get_experiment_by_name("toy/tiny") is None
