"""What goes in: one text or a pair, from columns, from JSON, and back."""

from pathlib import Path

import pytest
from datasets import Dataset

from pipeline.config import Training
from pipeline.config.backbone import BEST_BY, LOSS
from pipeline.deployment.serve import pyfunc
from pipeline.tasks import TASKS, inputs, task_of
from pipeline.tasks.inputs import Input

PAIRS: list[Input] = [("a", "bc"), ("def", "")]


def test_inputs_are_texts_or_pairs_by_the_columns_and_become_columns_again() -> None:
    single, pairs = (
        Dataset.from_dict({"text": ["a", "b"]}),
        Dataset.from_dict({"text_pair": ["bc", ""], "text": ["a", "def"]}),
    )
    assert inputs.inputs_of(single) == ["a", "b"] and inputs.inputs_of(pairs) == PAIRS == inputs.inputs_of(pairs[:])
    assert inputs.columns_of(PAIRS) == {"text": ["a", "def"], "text_pair": ["bc", ""]} and inputs.columns_of([]) == {
        "text": []
    }
    assert inputs.columns_of(["a"]) == {"text": ["a"]} and inputs.texts_of([*PAIRS, "x"]) == ["a", "bc", "def", "", "x"]


def test_a_pair_is_as_long_as_both_texts_and_is_shown_with_both() -> None:
    assert [inputs.length(each) for each in ("abc", *PAIRS)] == [3, 3, 3]
    assert inputs.shown("a") == "a" and inputs.shown(PAIRS[0]) == "a || bc"
    assert inputs.cut("abc", 2) == "ab" and inputs.cut(("abc", "de"), 1) == ("a", "d")


@pytest.mark.parametrize("given", ["a", *PAIRS])
def test_an_input_comes_back_from_json(given: Input) -> None:
    assert inputs.of_json(inputs.to_json(given)) == given == inputs.of_json(list(inputs.parts_of(given)))


@pytest.mark.parametrize(
    "value", [1, None, [], ["a", "b", "c"], ["a", 1], {"text_pair": 1}, {"text": "a", "other": "b"}, {}]
)
def test_what_is_no_input_is_told(value: object) -> None:
    with pytest.raises(ValueError, match="text_pair"):
        inputs.of_json(value)


def test_a_task_is_what_goes_in_and_what_comes_out_and_its_name_says_both() -> None:
    assert list(TASKS) == ["single_label", "multi_label", "single_label_pairs", "multi_label_pairs"]
    assert all(task_of(name) is task and task.pairs == name.endswith("_pairs") for name, task in TASKS.items())
    assert {*(score for task in TASKS.values() for score in task.scores), LOSS} == set(BEST_BY)
    assert all(task.best_by in task.scores and "accuracy" in task.scores for task in TASKS.values())
    assert all(hasattr(Training, task.balanced_by) for task in TASKS.values())
    serve = Path(pyfunc.__file__).parent
    assert all((serve / f"{task.service}.py").is_file() for task in TASKS.values())
    with pytest.raises(ValueError, match="unknown task 'ranking'"):
        task_of("ranking")
