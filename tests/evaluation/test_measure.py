"""Measuring: what is counted, what is computed, and that the worker process says what the classifier says."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from transformers import pipeline as transformers_pipeline

from pipeline.config import Backbone, Measure, Weights
from pipeline.errors import MeasureError
from pipeline.evaluation.latency.process import Worker
from pipeline.evaluation.session import Examples, Reference, measure, predict
from pipeline.evaluation.size import size_of
from pipeline.models.build import start
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.torch import save
from pipeline.tasks.decision_rule import Rule
from tests.support import instant

pytestmark = pytest.mark.slow

LABELS = ["food", "music", "Wetter ☂"]
TEXTS = ["play a song", "no", "is it sunny, or will it rain in the afternoon? " * 3, "Übergröße", "order a pizza", "x" * 200]
QUICK = Measure(queries=5, warmup_calls=2, batch_size=4, max_seconds=0, profile=False)
TEST = Examples(TEXTS, np.array([1, 0, 2, 2, 0, 1]), LABELS, oos=None)
VALIDATION = Examples(TEXTS[::-1], TEST.truth[::-1].copy(), LABELS, oos=None)
SAID = predict(np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 1, 1]], TEST, Rule())  # by a baseline, 2 of 6 right
SAID_BEFORE = predict(np.eye(3, dtype=np.float32)[[1, 0, 0, 1, 0, 0]], VALIDATION, Rule())  # and on validation, 2 of 6


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier with random weights, in a directory with a name of the kind people choose."""
    directory = tmp_path_factory.mktemp("my models") / "größer"
    directory.mkdir()
    model, tokenizer = start(Backbone("tiny", Weights(random=True)), "teacher", LABELS, seed=3)
    for parameter in model.parameters():
        parameter.data *= 10 if parameter.dim() > 1 else 1  # answers that differ from text to text
    save(model, tokenizer, Description("torch", LABELS, max_length=64), directory)
    return directory


@pytest.fixture(scope="module")
def worker(artifact: Path) -> Iterator[Worker]:
    with Worker(artifact, threads=1) as running:
        yield running


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier whose worker starts at once, in such a directory too."""
    return instant.write(tmp_path_factory.mktemp("light models") / "größer", LABELS)


def children() -> set[int]:
    """Worker processes of this one, those too that ended and were not waited for."""
    found = psutil.Process().children(recursive=True)
    return {
        c.pid for c in found if c.status() == psutil.STATUS_ZOMBIE or "pipeline.evaluation.latency.worker" in c.cmdline()
    }


@pytest.fixture
def leaves_no_process() -> Iterator[None]:
    before = children()
    yield
    assert children() <= before


def one_line(error: BaseException) -> str:
    assert isinstance(error, MeasureError)
    assert str(error).startswith("measuring error: ") and "\n" not in str(error)
    return str(error)


def test_size_counts_the_bytes_of_all_files_and_of_the_weights_among_them(tmp_path: Path) -> None:
    files = {"model.safetensors": 1000, "config.json": 10, "onnx/model.onnx": 200, "onnx/model.onnx_data": 3000}
    (tmp_path / "onnx").mkdir()
    for name, count in files.items():
        (tmp_path / name).write_bytes(bytes(count))
    for runtime, weights in (("torch", 1000), ("onnx", 3200)):
        Description(runtime, LABELS, 64).write(tmp_path)
        total, size = 4210 + (tmp_path / "classifier.json").stat().st_size, size_of(tmp_path)
        assert (size.total_bytes, size.weights_bytes) == (total, weights)
        assert size.summary() == {"size/mb": total / 2**20, "size/weights_mb": weights / 2**20}


def test_the_worker_answers_every_request(worker: Worker) -> None:
    assert worker.load_ms > 0
    timed = worker.time(TEXTS)
    assert timed.ms.shape == (len(TEXTS),) and (timed.ms > timed.tokenize_ms).all() and (timed.tokenize_ms > 0).all()
    assert timed.block.calls == len(TEXTS) and timed.block.wall_ms >= timed.ms.sum()
    assert worker.ask("throughput", texts=TEXTS, batch_size=4)["texts_per_s"] > 0
    assert 10 < worker.ask("memory")["peak_mb"] < 10_000
    assert worker.time([]).ms.shape == (0,)


def test_the_worker_gives_the_logits_that_the_classifier_gives_here(worker: Worker, artifact: Path) -> None:
    logits = worker.logits(TEXTS, batch_size=4)
    assert logits.dtype == np.float32 and logits.shape == (len(TEXTS), len(LABELS))
    here = load(artifact, threads=1)
    assert here.labels == LABELS
    assert len(set(logits.argmax(axis=1))) > 1  # else the order could not be wrong
    np.testing.assert_allclose(logits, here.logits(TEXTS), atol=1e-5, rtol=1e-5)


def test_predictions_in_batches_equal_single_ones_and_keep_the_order(worker: Worker, artifact: Path) -> None:
    here = load(artifact, threads=1)
    single = np.concatenate([here.logits([text]) for text in TEXTS])
    for batch_size in (1, 2, 5, 100):
        np.testing.assert_allclose(worker.logits(TEXTS, batch_size), single, atol=1e-5, rtol=1e-5)


def test_the_artifact_says_the_same_in_transformers_own_pipeline(worker: Worker, artifact: Path) -> None:
    answers = transformers_pipeline("text-classification", model=str(artifact), truncation=True)(TEXTS)
    labels = [LABELS[i] for i in worker.logits(TEXTS, batch_size=4).argmax(axis=1)]
    assert [answer["label"] for answer in answers] == labels


@pytest.mark.usefixtures("leaves_no_process")
def test_a_report_comes_from_a_copy_of_the_artifact_alone(light: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(light, tmp_path / "copy"))
    classifier = load(copy, threads=1)
    here = np.concatenate([classifier.logits([text]) for text in TEXTS])
    alone = replace(QUICK, batch_size=1)  # its answers depend on what shares the batch
    report = measure("candidate", copy, TEST, VALIDATION, alone, Reference(light, SAID, SAID_BEFORE))
    predictions = report.test.predictions
    assert predictions.predicted.tolist() == here.argmax(axis=1).tolist()
    assert report.validation.predictions.predicted.tolist() == predictions.predicted[::-1].tolist()
    assert predictions.texts == TEXTS == report.validation.predictions.texts[::-1] and predictions.labels == LABELS
    probabilities = np.exp(here) / np.exp(here).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(predictions.scores, probabilities.max(axis=1), atol=1e-4)
    accuracy = float((here.argmax(axis=1) == TEST.truth).mean())
    assert report.test.quality["accuracy"] == pytest.approx(accuracy) and "oos_recall" not in report.test.quality
    assert report.comparison is not None and report.profile is None
    pairs = report.comparison.pairs
    assert len(pairs) == 1 and report.latency.processes == tuple(pair.candidate for pair in pairs)
    assert all(samples.ms.shape == (5,) for pair in pairs for samples in (pair.candidate, pair.baseline))
    assert report.size == size_of(light) == report.comparison.size
    assert report.verdict == "" and report.metrics()["delta/speedup"] > 0  # of one pair
    assert report.metrics()["delta/accuracy_pp"] == pytest.approx(100 * (accuracy - 2 / 6))
    wrong = SAID_BEFORE.predicted != VALIDATION.truth
    expected = 100 * (accuracy - (1 - wrong.mean()))
    assert report.metrics()["validation/delta_accuracy_pp"] == pytest.approx(expected)


def rewrite(directory: Path, **changes: object) -> None:
    file = directory / "classifier.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | changes), encoding="utf-8")


BROKEN: dict[str, Callable[[Path], object]] = {
    "FileNotFoundError": shutil.rmtree,
    "JSONDecodeError": lambda directory: (directory / "classifier.json").write_text("{"),
    "runtime '../evil' is not a name": lambda directory: rewrite(directory, runtime="../evil"),
    "No module named 'pipeline.runtimes.abacus'": lambda directory: rewrite(directory, runtime="abacus"),
    "unexpected keyword argument 'colour'": lambda directory: rewrite(directory, colour="red"),
    "not a valid decision rule": lambda directory: rewrite(directory, decision={"oos_score": "energy"}),
    "the classifier can't be read": lambda directory: (directory / "onnx/model.onnx").write_bytes(bytes(100)),
}


@pytest.mark.usefixtures("leaves_no_process")
@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_artifact_gives_one_line_that_names_it(tmp_path: Path, reason: str) -> None:
    broken = instant.write(tmp_path / "broken", LABELS)
    BROKEN[reason](broken)
    with pytest.raises(MeasureError) as caught:
        measure("candidate", broken, TEST, VALIDATION, QUICK, None)
    assert str(broken) in one_line(caught.value) and reason in one_line(caught.value)


@pytest.mark.usefixtures("leaves_no_process")
def test_a_broken_baseline_ends_the_candidates_process_too(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="nowhere"):
        reference = Reference(tmp_path / "nowhere", SAID, SAID_BEFORE)
        measure("candidate", instant.write(tmp_path / "candidate", LABELS), TEST, VALIDATION, QUICK, reference)


def test_a_worker_that_is_killed_gives_one_line(worker: Worker, artifact: Path) -> None:  # the last test that needs it
    (process,) = children()
    psutil.Process(process).send_signal(signal.SIGKILL)
    for _ in range(2):  # asked again it says the same
        with pytest.raises(MeasureError) as caught:
            worker.time(TEXTS)
        assert f"the worker for {artifact} ended with exit code -9" in one_line(caught.value)
    assert not children()
