"""The comparison: the table in its three forms, the files it writes, and drawing it all again from what MLflow holds."""

import csv
import io
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import pytest
from mlflow import MlflowClient

from pipeline.cli import main
from pipeline.commands.compare import compare
from pipeline.config import Config
from pipeline.evaluation.rows import Row
from pipeline.reporting.legend import legend
from pipeline.reporting.tables import MAX_WIDTH, ONE_SEED, columns, droppable_titles, table, to_csv, write


def row(optim: str, accuracy: float = 0.9, ms: float = 8.0, mb: float = 80.0, **more: float) -> Row:
    metrics = {"quality/accuracy": accuracy, "latency/mean_ms": ms, "size/mb": mb}
    return Row(
        optim, metrics | {key.replace("__", "/"): value for key, value in more.items()}, f"id-{optim}", optim == "bert"
    )


def speedup(value: float, low: float, high: float, which: str = "") -> dict[str, float]:
    """The metrics of a speed-up with its bounds."""
    return {f"delta__speedup{which}": value, f"delta__speedup{which}_low": low, f"delta__speedup{which}_high": high}


FEW = [
    replace(
        row(
            "fast",
            0.8512,
            2.0,
            20.0,
            **speedup(4.0123, 3.951, 4.078),
            delta__size_ratio=3.996,
            training__loss=0.5,
            profile__by_batch__texts_per_s=9.0,
        ),
        verdict="faster",
    ),
    row("slow", 1 / 3, 16.0, 79.96, quality__oos_recall=0.51),
    row("bert", 0.9, 8.0, 80.0, delta__speedup=1.0, delta__size_ratio=1.0),
]


FILES = {*(f"comparison.{kind}" for kind in ("png", "svg", "md", "csv")), "speedup.png", "speedup.svg"}


def test_an_agreement_below_the_bound_is_marked_with_a_note() -> None:
    shown = table([*FEW, row("int8", quantize__agreement=0.951), row("static", quantize__agreement=0.985)])
    names = [cells[0] for cells in shown.cells]
    assert "int8 ~" in names and "static" in names and "agreement %" in shown.cells[0]
    assert shown.notes == ("~ int8: after quantization only 95.1% of the validation answers are the same, less than 98%",)
    assert shown.notes[0] in shown.plain() and shown.notes[0] in shown.markdown()


def test_the_baseline_comes_first_and_marked_then_the_slowest_to_the_fastest() -> None:
    assert [cells[0] for cells in table(FEW).cells] == ["optimization", "bert *", "slow", "fast"]


def test_cells_have_their_units_and_missing_metrics_are_dashes() -> None:
    titles, *rows = table(FEW).cells
    assert titles == ["optimization", "accuracy %", "oos recall %", "mean ms", "faster", "verdict", "size MB", "smaller"]
    assert rows == [
        ["bert *", "90.0", "-", "8.00", "1.00x", "-", "80.0", "1.00x"],
        ["slow", "33.3", "51.0", "16.00", "-", "-", "80.0", "-"],
        ["fast", "85.1", "-", "2.00", "4.01x [3.95, 4.08]", "faster", "20.0", "4.00x"],
    ]


EVERYTHING = {
    "quality__balanced_accuracy": 0.85, "delta__f1_micro_pp": -1.0,
    "quality__class_recall": 0.6, "delta__class_recall_pp": -3.0,
    "quality__ece": 0.02, "quality__ece_by_chance": 0.01,
    "argmax__accuracy": 0.88, "delta__accuracy_pp_low": -0.7, "delta__accuracy_pp_high": 0.3,
    "quality__in_scope_accuracy": 0.95, "quality__oos_recall": 0.5, "quality__f1_macro": 0.9, "latency__p95_ms": 9.0,
    "quality__f1_micro": 0.91,
    "latency__p50_ms": 7.0,
    "throughput__texts_per_s": 250.0, "memory__peak_mb": 300.0, "memory__pss_warm_mb": 250.0, "cost__texts_per_core_s": 24.0,
    "cost__price_per_million_texts": 0.0463, "size__dense_mb": 80.0, "prune__sparsity": 0.6, "delta__accuracy_pp": -0.2,
    "delta__size_ratio": 1.36, "quantize__agreement": 0.99, **speedup(10.47, 10.31, 10.62),
    **speedup(9.9, 9.62, 10.2, "_p95"),
}  # fmt: skip


def test_a_column_is_shown_where_one_row_has_it_and_left_out_where_none_has() -> None:
    whole = replace(row("whole", **EVERYTHING), verdict="faster")
    assert table([whole, row("bert")]).cells[0] == ["optimization", *(column.title for column in columns())]
    cells = dict(zip(*table([whole]).cells, strict=True))
    assert (cells["faster"], cells["slow calls"], cells["verdict"]) == (
        "10.47x [10.31, 10.62]",
        "9.90x [9.62, 10.20]",
        "faster",
    )
    assert (cells["change pp"], cells["without rule %"], cells["ECE %"]) == ("-0.2 [-0.7, 0.3]", "88.0", "2.0 (1.0)")
    assert (cells["PSS MB"], cells["texts/s/core"], cells["price/M"]) == ("250", "24", "0.046")
    assert len(table([row("bert")]).cells[0]) == 4


def test_what_was_measured_on_a_busy_machine_is_marked_and_below_it_says_why() -> None:
    made = table(
        [replace(FEW[0], contended="other processes used 0.9 cores while it was measured"), *FEW[1:]], ["int4 (failed)"]
    )
    assert [cells[0] for cells in made.cells[1:]] == ["bert *", "slow", "fast !", "int4 (failed)"]
    for shown in (made.plain(), made.markdown()):
        assert shown.endswith("\n! fast: other processes used 0.9 cores while it was measured") and shown.count("!") == 2


def test_a_terminal_gets_no_more_columns_than_it_is_wide_and_is_told_what_it_lacks() -> None:
    made = table(
        [replace(row("a_name_of_its_settings, 45_characters_in_all_", **EVERYTHING), verdict="faster"), row("bert")]
    )
    head, rule, *lines, note, told = made.plain().splitlines()
    assert note == ONE_SEED
    assert {len(line) for line in (head, rule, *lines)} == {len(head)} and len(head) <= MAX_WIDTH
    lacking = told.removeprefix("left out here, see comparison.md: ").split(", ")
    assert lacking == droppable_titles()[: len(lacking)] and lacking[:2] == ["balanced %", "worst change pp"]
    assert not [title for title in lacking if f" {title} " in f"{head} ".replace("texts/s/core", "")]
    assert all(title in head for title in ("accuracy %", "mean ms", "faster", "verdict", "size MB"))
    assert all(title in made.markdown() for title in lacking)
    assert set(droppable_titles()) < {column.title for column in columns()} and "verdict" not in droppable_titles()


def test_the_terminals_table_is_aligned() -> None:
    lines = table(FEW).plain().splitlines()
    assert len({len(line) for line in lines}) == 1 and len(lines) == 5
    end = lines[0].index("mean ms") + len("mean ms")
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
        assert (line.pop("verdict"), line.pop("contended")) == (by_name[name].verdict, "")
        expected = {
            key: value for key, value in by_name[name].metrics.items() if not key.startswith(("training/", "profile/"))
        }
        assert {key: float(value) for key, value in line.items() if value} == expected  # to the last digit


@pytest.mark.parametrize("rows", [FEW[2:], FEW], ids=len)
def test_all_six_files_are_written_and_readable(rows: list[Row], tmp_path: Path) -> None:
    made = write(rows, "bert", "toy/tiny", tmp_path / "new" / "folder", legend(rows))
    folder = tmp_path / "new" / "folder"
    assert {file.name for file in folder.iterdir()} == FILES
    image = matplotlib.image.imread(folder / "comparison.png")
    assert image.shape[1] > image.shape[0] > 500 and image.std() > 0.01
    assert ElementTree.parse(folder / "comparison.svg").getroot().tag.endswith("svg")
    assert (folder / "comparison.md").read_text(encoding="utf-8") == f"{made.markdown()}\n\n{legend(rows)}\n"


def log_run(
    client: MlflowClient, optim: str, ended: int, ms: float, comparable: str = "same", status: str = "FINISHED"
) -> str:
    """A run by hand, that ended so many seconds after the first."""
    experiment = client.get_experiment_by_name("toy/tiny")
    number = experiment.experiment_id if experiment else client.create_experiment("toy/tiny")
    tags = {"optim": optim, "baseline": "bert", "comparable": comparable}
    run_id = str(client.create_run(number, tags=tags, run_name=optim).info.run_id)
    for key, value in row(optim, ms=ms, delta__speedup=8.0 / ms).metrics.items():
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


@pytest.mark.slow
def test_drawing_again_takes_the_newest_comparable_run_of_each_optimization(
    root: Path, logged: dict[str, str], compose: Callable[..., Config], capsys: pytest.CaptureFixture[str]
) -> None:
    compare(compose(*toy(root)))
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[3:5]] == ["bert", "fast"] and "4.00x" in out
    assert "fastest: fast, 4.00x as fast as the baseline" in out and "- faster: " not in out
    folder = root / "comparison" / "toy_tiny"
    assert f"plot:    {os.path.relpath(folder / 'comparison.png')}" in out
    assert {file.name for file in folder.iterdir()} == FILES
    meant = (folder / "comparison.md").read_text(encoding="utf-8")
    assert "- faster: " in meant and "- no brackets: " in meant
    compare(compose(*toy(root), "explain=true"))
    assert "- faster: " in capsys.readouterr().out
    read = list(csv.DictReader((folder / "comparison.csv").open(encoding="utf-8")))
    assert [(line["optim"], line["run_id"]) for line in read] == [("bert", logged["bert"]), ("fast", logged["fast"])]
    assert [float(line["latency/mean_ms"]) for line in read] == [8.0, 2.0]


@pytest.mark.slow
def test_drawing_again_needs_neither_models_nor_data(root: Path, logged: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "pipeline", "compare", *toy(root)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], env=os.environ.copy(), capture_output=True, text=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0 and logged and "mlflow" in imported, done.stderr[-2000:]
    assert imported.isdisjoint({"torch", "transformers", "datasets"})


def test_an_experiment_without_finished_runs_is_one_line_and_is_not_made(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pipeline", "compare", *toy(root)])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n")) == (2, "", 1)
    assert "'toy/tiny' has no finished run yet" in err and not (root / "comparison").exists()
    assert MlflowClient(f"sqlite:///{root / 'mlflow.db'}").get_experiment_by_name("toy/tiny") is None


def test_what_classifiers_do_not_see_and_one_answer_are_notes() -> None:
    cut = {"data/truncated_share": 0.9, "data/lost_token_share": 0.75}
    one = {"data/largest_answer_share": 1.0, "data/largest_label_share": 0.5}
    rows = [row("bert", delta__speedup=1.0), row("small"), row("same")]
    rows = [replace(each, metrics=each.metrics | cut | (one if each.optim == "same" else {})) for each in rows]
    first, second = [note for note in table(rows).notes if note.startswith("warning: ")]
    assert all(name in first for name in ("bert", "small", "same")) and "90.0%" in first and "75.0%" in first
    assert second.startswith("warning: same: 100.0% of the validation texts get the same answer")
    assert first in table(rows).markdown() and second in table(rows).plain()
    assert not any("warning" in note for note in table([row("bert")]).notes)
