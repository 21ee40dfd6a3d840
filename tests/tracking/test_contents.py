"""What a run keeps of every call and block, as Parquet."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

from pipeline.evaluation.latency.samples import Samples
from pipeline.tracking import contents
from pipeline.tracking.run import MAX_NOTE, NOTE_CUT, fitting_note
from tests.tracking.test_runs import against, report


def test_blocks_are_kept_with_what_the_processor_did(tmp_path: Path) -> None:
    contents.write_blocks(report(2.0, against(2.0, 6.0)), tmp_path / "blocks.parquet")
    rows = parquet.read_table(tmp_path / "blocks.parquet").to_pylist()
    assert [(row["who"], row["pair"], row["block"]) for row in rows[:5]] == [
        ("candidate", 0, 0), ("candidate", 0, 1), ("baseline", 0, 0), ("baseline", 0, 1), ("candidate", 1, 0),
    ]  # fmt: skip
    last = {"calls": 1, "wall_ms": 60.0, "cpu_ms": 6.0, "switches": 4, "descheduled": True}
    assert len(rows) == 8 and rows[-1] == {"who": "baseline", "pair": 1, "block": 1, **last}
    contents.write_blocks(report(2.0), tmp_path / "alone.parquet")
    assert parquet.read_table(tmp_path / "alone.parquet")["who"].to_pylist() == ["baseline"] * 4


def test_of_the_baseline_latency_has_its_processes_alone(tmp_path: Path) -> None:
    contents.write_latency(report(2.0), tmp_path / "latency.parquet")
    calls = parquet.read_table(tmp_path / "latency.parquet").to_pylist()
    assert [(call["who"], call["pair"]) for call in calls] == [("baseline", 0)] * 3 + [("baseline", 1)] * 3


def test_a_query_is_the_texts_place_in_the_split_and_the_same_for_both_of_a_pair(tmp_path: Path) -> None:
    def answered(samples: Samples) -> Samples:
        twice = {name: np.tile(getattr(samples, name), 2) for name in ("ms", "tokenize_ms", "tokens")}
        return replace(samples, **twice, blocks=samples.blocks * 2, passes=2, queries=(70, 3, 5))

    pair = against(2.0, 6.0).pairs[0]
    both = replace(pair, candidate=answered(pair.candidate), baseline=answered(pair.baseline))
    contents.write_repetitions([[both]], tmp_path / "latency.parquet")
    assert parquet.read_table(tmp_path / "latency.parquet")["query"].to_pylist() == [70, 3, 5] * 4


def test_of_repeated_measurements_every_call_is_kept(tmp_path: Path) -> None:
    pairs = against(2.0, 6.0).pairs
    contents.write_repetitions([pairs, pairs[:1]], tmp_path / "latency.parquet")
    calls = parquet.read_table(tmp_path / "latency.parquet").to_pylist()
    assert [(call["repetition"], call["pair"], call["who"]) for call in calls[::3]] == [
        (0, 0, "candidate"), (0, 0, "baseline"), (0, 1, "candidate"), (0, 1, "baseline"), (1, 0, "candidate"),
        (1, 0, "baseline"),
    ]  # fmt: skip
    assert {call["ms"] for call in calls if call["who"] == "candidate"} == {2.0}


def test_each_class_is_kept_and_a_name_that_looks_like_a_formula_is_safe_to_open(tmp_path: Path) -> None:
    one = report(2.0, against(2.0, 6.0)).test
    renamed = replace(one, predictions=replace(one.predictions, labels=["=weather", "music"]))
    contents.write_classes(renamed, "int8", tmp_path)
    with (tmp_path / "classes.csv").open(encoding="utf-8", newline="") as file:
        music, weather = list(csv.DictReader(file))
    assert music == {
        "class": "music", "texts": "1", "few": "few", "recall": "0.0000", "baseline_recall": "1.0000", "lost": "1",
        "gained": "0", "holm_p": "", "precision": "",
    }  # fmt: skip
    assert weather["class"] == "'=weather" and weather["precision"] == "0.5000"
    assert "# int8, class by class" in (tmp_path / "classes.md").read_text(encoding="utf-8")
    contents.write_classes(replace(one, quality={}), "random", tmp_path / "none")
    assert not (tmp_path / "none").exists(), "random weights have no classes"


def test_a_flipped_text_that_looks_like_a_formula_is_safe_to_open(tmp_path: Path) -> None:
    after = report(2.0, against(2.0, 6.0))
    assert after.test.baseline is not None
    other = replace(after.test.baseline, predicted=1 - after.test.predictions.predicted)
    texts = ["=cmd|'/c calc'!A0"] * len(after.test.predictions.texts)
    predictions = replace(after.test.predictions, texts=texts)
    changed = replace(after, test=replace(after.test, predictions=predictions, baseline=other))
    contents.write_flips(changed, tmp_path)
    with (tmp_path / "flips.csv").open(encoding="utf-8", newline="") as file:
        flips = list(csv.DictReader(file))
    assert flips and {flip["text"] for flip in flips} == {"'=cmd|'/c calc'!A0"}


def test_a_description_is_cut_at_a_line_and_says_so() -> None:
    assert MAX_NOTE == MAX_TAG_VAL_LENGTH and fitting_note("short\n") == "short\n"
    long = "".join(f"| line {number} |\n" for number in range(2000))
    note = fitting_note(long)
    kept = note.removesuffix(NOTE_CUT)
    assert MAX_NOTE - 20 < len(note) <= MAX_NOTE and kept != note and long.startswith(f"{kept}\n")
