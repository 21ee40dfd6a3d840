"""What others must know to give the same answers as an ONNX artifact does here."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.runtimes.base import Description, load, runtime_of
from pipeline.runtimes.onnx_folder import TOKENIZER_CONFIG
from pipeline.runtimes.onnx_notes import in_javascript, in_python
from pipeline.tasks import TASKS, task_of
from pipeline.tasks.inputs import Input
from tests.support import instant


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return instant.write(tmp_path / "artifact", ["a", "b"])


def told(artifact: Path, **changes: object) -> list[str]:
    replace(Description.read(artifact), **changes).write(artifact)  # type: ignore[arg-type]
    return runtime_of(artifact).notes(artifact)


def test_a_plain_graph_needs_to_know_how_long_texts_are_cut(artifact: Path) -> None:
    (only,) = told(artifact, inputs=["input_ids", "attention_mask"])
    assert "64 tokens" in only and "special token" in only
    (artifact / TOKENIZER_CONFIG).write_text(json.dumps({"truncation_side": "left"}))
    (only,) = told(artifact)
    assert "loses its beginning" in only


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"decision": {"temperature": 2.0}}, '`{"temperature": 2.0}`'),
        ({"window": "mean", "window_overlap": 8}, "windows that share 8 tokens; the mean"),
        ({"inputs": ["input_ids"]}, "takes `input_ids` and no mask, so one text at a time"),
        ({"task": "single_label_pairs"}, "takes none: call tokenizer and model"),
        ({"task": "single_label_pairs", "token_types": "types"}, "takes `token_type_ids`, 1 for the second"),
        ({"int8_for": "AMX and VNNI", "int8_bits": 8}, "8 bits, quantized on a processor with AMX and VNNI"),
        ({"int8_for": "none for int8", "int8_bits": 7}, "reduced range"),
    ],
)
def test_each_thing_that_others_do_in_another_way_is_told(changes: dict[str, object], part: str, artifact: Path) -> None:
    first, second = told(artifact, **changes)
    assert part in first + second


@pytest.mark.parametrize("name", TASKS)
def test_the_code_for_python_answers_as_the_task_does(name: str, artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(artifact, task=name)
    task, several = task_of(name), name.startswith("multi")
    exec(in_python(task).replace("DIR", str(artifact)), {})
    given: list[Input] = [("a text", "another")] if task.pairs else ["play a song", "will it rain?"]
    logits = [load(artifact, 1).logits([each])[0] for each in given]  # its graph reads padding
    answers = [[label for label, logit in zip("ab", row, strict=True) if logit > 0] for row in logits]
    expected = [str(each) for each in answers] if several else ["ab"[row.argmax()] for row in logits]
    assert capsys.readouterr().out.splitlines() == expected
    assert ("top_k: null" in in_javascript(task)) is (name == "multi_label")
    assert ("text_pair" in in_javascript(task)) is task.pairs
