"""The matrix of tasks, optimizations and runtimes: each makes a classifier of the task, or says before that it can't.

One label of one text is in `tests/test_run.py`, with every optimization there is.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import transformers
from mlflow.pyfunc import load_model

from pipeline.config import KINDS, Config
from pipeline.deployment.registry import write_model
from pipeline.deployment.serve.answers import Answerer
from pipeline.errors import BackboneError, ConfigError, UserError
from pipeline.run import check, run
from pipeline.runtimes.base import Description, PublishedForm, load, runtime_of
from pipeline.steps.finetune import all_steps
from pipeline.steps.load_checkpoint import store_checkpoint
from pipeline.tasks import task_of
from pipeline.tasks.inputs import inputs_of, to_json
from tests.support.tasks import BOTH, LABELS, OPTIMS, PAIRS, SEVERAL, TASKS, Maker, queries_of

pytestmark = pytest.mark.slow

LEFT_OUT = {"compile", "load_checkpoint"}  # a minute of a compiler; tested below
EXPORTS = {"baseline_onnx_static": "onnx", "baseline_openvino_int8": "openvino"}  # of the same network
RAW = {"bert_base_random": "types", "distilbert": "", "static_embeddings": "sides", "tfidf": "", "cascade": ""}
TEACHER = "backbone.teacher.finetune"
REFUSED: tuple[tuple[str, str, list[str], str], ...] = (
    (SEVERAL, "cascade", [], "cascade does not support the task multi_label, only single_label"),
    (BOTH, "cascade", [], "cascade does not support the task multi_label_pairs, only single_label"),
    (SEVERAL, "baseline", [f"{TEACHER}.class_weights=balanced"], "no effect on the task multi_label; set pos_weight"),
    (PAIRS, "baseline", [f"{TEACHER}.pos_weight=balanced"], "no effect on the task single_label_pairs; set class_weights"),
    (BOTH, "baseline", [f"{TEACHER}.best_by=balanced_accuracy"], "has no such metric; one of f1_micro, f1_macro"),
    (PAIRS, "baseline", [f"{TEACHER}.best_by=f1_samples"], "has no such metric; one of accuracy, f1_macro"),
    (SEVERAL, "student_2l", ["optim.steps.distill.best_by=balanced_accuracy"], "has no such metric; one of f1_micro"),
    (SEVERAL, "movement_pruning", ["optim.steps.prune.class_weights=balanced"], "multi_label; set pos_weight instead"),
    (BOTH, "tfidf", ["data.oos_label=same"], "out of scope is known for one label a text only"),
)


def test_the_optimizations_have_every_kind_of_step(maker: Maker) -> None:
    jobs = [maker.config(PAIRS, name) for name in (*OPTIMS, "cascade")]
    kinds = {step.kind for job in jobs for step in all_steps(job.optim, job.backbone)}
    assert kinds - {"transfer"} == KINDS["step"].keys() - LEFT_OUT


@pytest.mark.parametrize(("task", "optim"), [*((task, optim) for task in TASKS for optim in OPTIMS), (PAIRS, "cascade")])
def test_every_optimization_makes_a_classifier_of_the_task(task: str, optim: str, maker: Maker) -> None:
    artifact, given = maker.artifact(task, optim), queries_of(task)
    described, labels = Description.read(artifact), LABELS[task]
    assert described.task == task and described.labels == labels
    logits = load(artifact, threads=1).logits_by_length(given, 2)
    assert logits.shape == (len(given), len(labels)) and np.isfinite(logits).all() and logits.std() > 0
    answers = described.rule.answer(logits)
    assert answers.labels.shape == answers.scores.shape == task_of(task).answer(logits).shape
    assert described.token_types == (RAW.get(optim, "types") if task_of(task).pairs else "")
    if task_of(task).pairs and optim != "baseline_onnx_static":  # its int8 steps are wider than this network's differences
        swapped = [(each[1], each[0]) for each in given]
        assert not np.allclose(logits, load(artifact, threads=1).logits_by_length(swapped, 2), atol=1e-6)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("optim", EXPORTS)
def test_exports_compute_what_torch_does(task: str, optim: str, maker: Maker) -> None:
    stages = maker.made(task, optim).stages
    texts = inputs_of(maker.context(task).splits.test)
    expected, found, int8 = (load(stage.artifact, 1).logits_by_length(texts, 8) for stage in stages)
    assert [Description.read(stage.artifact).runtime for stage in stages[:2]] == ["torch", EXPORTS[optim]]
    assert np.abs(found - expected).max() < 1e-4 < np.abs(int8 - expected).max() < 1


@pytest.mark.parametrize(("task", "optim", "more", "message"), REFUSED)
def test_what_does_not_fit_is_told_in_one_line_before_anything_is_trained(
    task: str, optim: str, more: list[str], message: str, maker: Maker, tmp_path: Path
) -> None:
    config = maker.config(task, optim, more)
    with pytest.raises(UserError, match=re.escape(message)) as told:
        run(replace(config, track=replace(config.track, root=str(tmp_path))))
    assert "\n" not in str(told.value) and not (tmp_path / "stages").exists()


def test_what_the_settings_say_is_told_before_the_data_is_read(maker: Maker) -> None:
    for task in (SEVERAL, BOTH):
        config = maker.config(task, "cascade")
        with pytest.raises(ConfigError, match=f"does not support the task {task}"):
            check(without_data(config))
    for more in (f"{TEACHER}.best_by=balanced_accuracy", "objective=[validation/delta_balanced_accuracy_pp]"):
        with pytest.raises(ConfigError, match=r"has no such metric; .*f1_micro"):
            check(without_data(maker.config(SEVERAL, "student_2l", [more])))
    with pytest.raises(BackboneError, match="windows are for single texts"):
        check(without_data(maker.config(PAIRS, "baseline", ["backbone.window=mean"])))
    check(maker.config(PAIRS, "baseline", ["objective=[validation/balanced_accuracy]"]))


def without_data(config: Config) -> Config:
    """With a file that does not exist."""
    return replace(config, data=replace(config.data, train="nothing.csv"))  # type: ignore[call-arg]


@pytest.mark.parametrize("task", TASKS)
def test_transformers_gives_the_same_scores(task: str, maker: Maker) -> None:
    artifact, kind = maker.made(task, "baseline_int8").stages[0].artifact, task_of(task)
    assert runtime_of(artifact).published_form(artifact) is PublishedForm.STANDARD
    pipe = transformers.pipeline("text-classification", model=str(artifact), device="cpu", truncation=True)
    longer = " ".join(["a text that is longer than the network reads"] * 20)
    given = [*queries_of(task), (longer, "rain tomorrow") if kind.pairs else longer]
    theirs = [{each["label"]: each["score"] for each in pipe([to_json(one)], top_k=None)[0]} for one in given]
    answers = Description.read(artifact).rule.answer(load(artifact, 1).logits_by_length(given, 1))
    for place, (found, answer) in enumerate(zip(theirs, Answerer(artifact)(given), strict=True)):
        own = np.atleast_1d(answers.scores[place])
        expected = dict(zip(LABELS[task] if len(own) > 1 else [answer.label], own, strict=True))
        assert {label: found[label] for label in expected} == pytest.approx(expected, abs=1e-5)
        assert len(own) > 1 or max(found, key=lambda label: found[label]) == answer.label
    assert len(kind.fields) in (2, 3)


@pytest.mark.parametrize("task", [SEVERAL, BOTH])
def test_a_checkpoint_answers_as_it_did(task: str, maker: Maker, tmp_path: Path) -> None:
    artifact = maker.made(task, "baseline_int8").stages[0].artifact
    store_checkpoint(artifact, maker.context(task), tmp_path)
    assert Description.read(tmp_path).task == task
    found, expected = (load(each, 1).logits_by_length(queries_of(task), 2) for each in (tmp_path, artifact))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("task", TASKS)
def test_mlflow_serves_the_answers_of_each_task(task: str, maker: Maker, tmp_path: Path) -> None:
    artifact, given = maker.artifact(task, "tfidf"), queries_of(task)
    write_model(artifact, tmp_path / "model", {"threads": 1, "batch_size": 8})
    model = load_model(str(tmp_path / "model"))
    answers = model.predict([to_json(each) for each in given])
    plain = [each if isinstance(each, dict) else each.model_dump() for each in answers]
    assert plain == [each._asdict() for each in Answerer(artifact)(given)]
    assert ("text_pair" in str(model.metadata.signature.inputs)) == task_of(task).pairs
