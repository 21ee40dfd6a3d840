"""Every way of shrinking works for pairs of texts too, from two columns to serving; what does not fit is told before."""

import csv
import io
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
import transformers
from mlflow import MlflowClient
from mlflow.pyfunc import load_model

from pipeline.commands import predict
from pipeline.config import Config
from pipeline.deployment.publish import Card, model_card
from pipeline.deployment.registry import write_model
from pipeline.deployment.serve.answers import Answerer
from pipeline.errors import ConfigError, OptimizationError
from pipeline.evaluation.doctor.examine import examine
from pipeline.evaluation.latency.queries import queries_of
from pipeline.models.outline import Outline
from pipeline.run import check, run
from pipeline.runtimes.base import Description, PublishedForm, load, runtime_of
from pipeline.steps.base import Context
from pipeline.steps.distill import Distill
from pipeline.steps.execute import check_steps, run_steps
from pipeline.steps.finetune import Finetune
from pipeline.steps.store import Store
from pipeline.tasks.inputs import Input, inputs_of, to_json
from pipeline.tracking.job import require_fitting_query
from pipeline.tracking.server import database_uri
from tests.conftest import TOPICS, composed, shrunk
from tests.support.families import TOKENIZERS, network

pytestmark = pytest.mark.slow

OPTIMS = (
    "baseline", "baseline_calibrated", "baseline_int8", "baseline_onnx", "baseline_onnx_int8", "baseline_onnx_4bit",
    "baseline_onnx_static", "baseline_openvino", "baseline_openvino_int8", "bert_base_random", "cascade", "distilbert",
    "distillation_onnx_int8", "movement_pruning", "static_embeddings", "structured_pruning", "student_2l",
    "student_2l_low_rank", "student_2l_trimmed", "tfidf",
)  # fmt: skip
SICK = Path(__file__).resolve().parents[3] / "shared" / "data" / "sick"
PAIRS: list[Input] = [("rain tomorrow 1", "play a song 2"), ("play a song 2", "is it sunny"), ("a", "a text that is longer")]


def overrides(train: Path, root: Path) -> list[str]:
    return [
        "backbone=tiny", "measure=quick", "data=files", "data.name=pairs", f"data.train={train}", f"track.root={root}",
        "data.text_column=first", "data.pair_column=second",
    ]  # fmt: skip


def written(folder: Path) -> Path:
    """Pairs of short texts, of one topic or of two."""
    topics = {text: topic for topic, phrases in TOPICS.items() for text in phrases}
    rows = [
        (f"{one} {number}", other, "same" if topics[one] == topics[other] else "different")
        for number, (one, other) in enumerate(itertools.product(topics, topics))
    ][::2]
    with (folder / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("first", "second", "label"), *rows])
    return folder / "pairs.csv"


@dataclass(frozen=True)
class Made:
    """The artifact of each optimization, and the data they were made for."""

    artifacts: dict[str, Path]
    context: Context


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("pairs")
    train, artifacts = written(folder), {}
    for name in OPTIMS:
        config = shrunk(composed(f"optim={name}", *overrides(train, folder / "root")))
        check(config)
        context = Context(config.data.load(0), config.backbone, 0)
        check_steps(config.optim, context)
        artifacts[name] = run_steps(config.optim, context, Store(folder / "root")).artifact
    return Made(artifacts, context)


@pytest.mark.parametrize("name", OPTIMS)
def test_every_optimization_answers_pairs_and_their_order_matters(name: str, made: Made) -> None:
    artifact, types = made.artifacts[name], {"distilbert": "", "static_embeddings": "sides", "tfidf": "", "cascade": ""}
    described = Description.read(artifact)
    assert described.task == "single_label_pairs"
    assert described.token_types == types.get(name, "types")
    classifier = load(artifact, 1)
    logits, swapped = (classifier.logits_by_length(pairs, 2) for pairs in (PAIRS, [(pair[1], pair[0]) for pair in PAIRS]))
    assert logits.shape == (3, 2) and np.isfinite(logits).all() and logits.std() > 0
    assert not np.allclose(logits, swapped, atol=1e-6)


@pytest.mark.parametrize(("name", "source"), [("baseline_onnx", "baseline"), ("baseline_openvino", "baseline")])
def test_exports_of_pairs_compute_what_torch_does(name: str, source: str, made: Made) -> None:
    pairs = inputs_of(made.context.splits.test)
    found, expected = (load(made.artifacts[each], 1).logits_by_length(pairs, 8) for each in (name, source))
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize("name", ["baseline", "distilbert"])
def test_transformers_gives_the_same_scores_to_pairs(name: str, made: Made) -> None:
    artifact = made.artifacts[name]
    assert runtime_of(artifact).published_form(artifact) is PublishedForm.STANDARD
    theirs = transformers.pipeline("text-classification", model=str(artifact), device="cpu")(
        [to_json(pair) for pair in PAIRS]
    )
    ours = Answerer(artifact)(PAIRS)
    assert [each["label"] for each in theirs] == [each.label for each in ours]
    assert [each["score"] for each in theirs] == pytest.approx([each.score for each in ours], abs=1e-5)


def test_pairs_are_asked_by_json_or_two_columns(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, lines = ["--model", str(made.artifacts["tfidf"])], [json.dumps(to_json(pair)) for pair in PAIRS]
    answers = [answer.label for answer in Answerer(made.artifacts["tfidf"])(PAIRS)]
    predict.main([*model, *lines])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["text"], each["text_pair"], each["label"]) for each in told] == [
        (*pair, label) for pair, label in zip(PAIRS, answers, strict=True)
    ]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "second"), *PAIRS])
    predict.main([*model, "--file", str(tmp_path / "a.csv"), "--pair-column", "second", "--format", "csv"])
    table = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert table[0] == ["text", "text_pair", "label", "score", "abstained"] and [row[2] for row in table[1:]] == answers
    (tmp_path / "a.txt").write_text("\n".join([lines[0], '"one text"']))
    with pytest.raises(ConfigError, match=r'a\.txt, line 2: this classifier takes pairs of texts: \{"text"'):
        predict.main([*model, "--file", str(tmp_path / "a.txt")])
    with pytest.raises(ConfigError, match="pairs of texts, not texts"):
        Answerer(made.artifacts["tfidf"])(["one text"])


def test_mlflow_and_the_model_card_say_that_pairs_go_in(made: Made, tmp_path: Path) -> None:
    artifact = made.artifacts["baseline_onnx_int8"]
    write_model(artifact, tmp_path / "model", {"threads": 1, "batch_size": 8})
    model = load_model(str(tmp_path / "model"))
    answers = model.predict([to_json(pair) for pair in PAIRS])
    plain = [each if isinstance(each, dict) else each.model_dump() for each in answers]
    assert [each["label"] for each in plain] == [each.label for each in Answerer(artifact)(PAIRS)]
    assert "text_pair" in str(model.metadata.signature.inputs)
    card = Card("a", "b", "c", (), "", Path("a.png"), {"quality/accuracy": 0.5}, ("same", "different"))
    text = model_card("me/it", Description.read(made.artifacts["baseline"]), PublishedForm.STANDARD, card)
    assert '({"text": "a text", "text_pair": "another"})' in text and "A classifier of pairs of texts with 2 labels" in text


@pytest.mark.parametrize("name", ["baseline", "baseline_onnx_int8", "baseline_openvino", "static_embeddings"])
def test_the_doctor_examines_what_takes_pairs(name: str, made: Made, tmp_path: Path) -> None:
    facts = examine(made.artifacts[name], 1, PAIRS, tmp_path)
    assert 0 < facts.tokenization < 1 and (facts.operators is not None) == (name != "static_embeddings")


def test_a_run_measures_and_compares_pairs(tmp_path: Path, root: Path, compose: Callable[..., Config]) -> None:
    config = compose("optim=tfidf", "optim@baseline=static_embeddings", *overrides(written(tmp_path), root))
    outcome = run(shrunk(config))
    client, run_id = MlflowClient(database_uri(root)), outcome.row.run_id
    table = parquet.read_table(client.download_artifacts(run_id, "predictions.parquet", str(tmp_path)))
    pairs = inputs_of(config.data.load(config.seed).test)
    assert list(zip(table["text"].to_pylist(), table["text_pair"].to_pylist(), strict=True)) == pairs
    flips = list(csv.reader(Path(client.download_artifacts(run_id, "flips.csv", str(tmp_path))).read_text().splitlines()))
    assert flips[0] == ["kind", "text", "text_pair", "label", "baseline", "candidate"] and len(flips) > 1
    assert {(row[1], row[2]) for row in flips[1:]} <= set(pairs)
    assert outcome.row.metrics["delta/speedup"] > 0


@pytest.mark.skipif(not SICK.is_dir(), reason=f"{SICK} is not there")
@pytest.mark.parametrize("name", ["tfidf", "baseline_onnx_int8"])
def test_pairs_of_sick_go_from_their_file_to_an_answer(name: str, tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        lines = (SICK / f"{split}.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        (tmp_path / f"{split}.csv").write_text("".join(lines[:121]), encoding="utf-8")
    files = [f"data.{split}={tmp_path / split}.csv" for split in ("validation", "test")]
    columns = ["data.text_column=sentence1", "data.pair_column=sentence2"]
    own = [each for each in overrides(tmp_path / "train.csv", tmp_path / "root") if "_column=" not in each]
    config = shrunk(composed(f"optim={name}", *own, *columns, *files))
    context = Context(config.data.load(0), config.backbone, 0)
    done = run_steps(config.optim, context, Store(tmp_path / "root"))
    answers = Answerer(done.artifact)(inputs_of(context.splits.test))
    assert len(answers) == 120 and {answer.label for answer in answers} <= set(context.splits.labels)


def test_what_takes_no_pairs_is_told_before_anything_is_trained(
    tmp_path: Path, compose: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = compose("optim=baseline", *overrides(tmp_path / "nothing.csv", tmp_path / "root"))
    monkeypatch.setattr(Finetune, "tasks", ("single_label",))
    with pytest.raises(ConfigError, match="finetune does not support the task single_label_pairs, only single_label"):
        check(config)


def test_a_query_that_is_one_text_does_not_fit_pairs(made: Made, tmp_path: Path, compose: Callable[..., Config]) -> None:
    own = [each for each in overrides(tmp_path / "nothing.csv", tmp_path) if each != "measure=quick"]
    config = compose("optim=baseline", *own, "measure=book")
    with pytest.raises(ConfigError, match=r"set measure\.query=null"):
        require_fitting_query(config, made.context.splits)
    alone = replace(config.measure, query=None)
    require_fitting_query(replace(config, measure=alone), made.context.splits)
    drawn = queries_of(PAIRS, replace(alone, protocol="queries", queries=3), 0)
    assert sorted(drawn.texts) == sorted(PAIRS) and queries_of(PAIRS, alone, 0).texts[0] == PAIRS[0]


def test_a_student_without_token_types_cannot_learn_hidden_states_of_pairs() -> None:
    bert, roberta = (Outline("torch", network(each), TOKENIZERS[each]()) for each in ("bert", "roberta"))
    step = Distill("distill", hidden_loss_weight=1.0)
    with pytest.raises(OptimizationError, match="only one has token types"):
        step.check_losses(roberta, bert, pairs=True)
    step.check_losses(bert, bert, pairs=True)
