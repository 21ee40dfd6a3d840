"""Pairs of texts, from two columns to serving; what does not fit is told before. See also `test_tasks.py`."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from mlflow import MlflowClient

from pipeline.commands import predict
from pipeline.config import Config
from pipeline.deployment.card import Card, model_card
from pipeline.deployment.forms import Form
from pipeline.deployment.serve.answers import Answerer
from pipeline.errors import ConfigError, OptimizationError
from pipeline.evaluation.doctor.examine import examine
from pipeline.evaluation.latency.queries import queries_of
from pipeline.models.outline import Outline
from pipeline.run import check, run
from pipeline.runtimes.base import Description, PublishedForm
from pipeline.steps.base import Context
from pipeline.steps.distill import Distill
from pipeline.steps.execute import run_steps
from pipeline.steps.finetune import Finetune
from pipeline.steps.store import Store
from pipeline.tasks import task_of
from pipeline.tasks.inputs import inputs_of, to_json
from pipeline.tracking.job import require_task
from pipeline.tracking.server import database_uri
from tests.conftest import composed, shrunk
from tests.support.families import TOKENIZERS, network
from tests.support.tasks import PAIRS, QUERIES, Maker

pytestmark = pytest.mark.slow

SICK = Path(__file__).resolve().parents[3] / "shared" / "data" / "sick"


def overrides(train: Path, root: Path) -> list[str]:
    return [
        "backbone=tiny", "measure=quick", "data=files", "data.name=pairs", f"data.train={train}", f"track.root={root}",
        "data.text_column=first", "data.pair_column=second",
    ]  # fmt: skip


def test_pairs_are_asked_by_json_or_two_columns(maker: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artifact = maker.artifact(PAIRS, "tfidf")
    model, lines = ["--model", str(artifact)], [json.dumps(to_json(pair)) for pair in QUERIES]
    answers = [answer.label for answer in Answerer(artifact)(QUERIES)]
    predict.main([*model, *lines])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["text"], each["text_pair"], each["label"]) for each in told] == [
        (*pair, label) for pair, label in zip(QUERIES, answers, strict=True)
    ]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "second"), *QUERIES])
    predict.main([*model, "--file", str(tmp_path / "a.csv"), "--pair-column", "second", "--format", "csv"])
    table = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert table[0] == ["text", "text_pair", "label", "score", "abstained"] and [row[2] for row in table[1:]] == answers
    (tmp_path / "a.txt").write_text("\n".join([lines[0], '"one text"']))
    with pytest.raises(ConfigError, match=r'a\.txt, line 2: this classifier takes pairs of texts: \{"text"'):
        predict.main([*model, "--file", str(tmp_path / "a.txt")])
    with pytest.raises(ConfigError, match="pairs of texts, not texts"):
        Answerer(artifact)(["one text"])


def test_the_model_card_says_that_pairs_go_in(maker: Maker) -> None:
    card = Card("a", "b", "c", (), "", Path("a.png"), {"quality/accuracy": 0.5}, ("same", "different"))
    described = Description.read(maker.artifact(PAIRS, "distilbert"))
    text = model_card("me/it", described, Form(PublishedForm.STANDARD), card)
    assert '({"text": "a text", "text_pair": "another"})' in text and "pairs of texts, each with one of 2 labels" in text


@pytest.mark.parametrize("name", ["distilbert", "student_2l_trimmed", "baseline_openvino_int8", "static_embeddings"])
def test_the_doctor_examines_what_takes_pairs(name: str, maker: Maker, tmp_path: Path) -> None:
    facts = examine(maker.artifact(PAIRS, name), 1, QUERIES, tmp_path)
    assert 0 < facts.tokenization < 1 and (facts.operators is not None) == (name != "static_embeddings")


def test_a_run_measures_and_compares_pairs(tmp_path: Path, maker: Maker) -> None:
    outcome = run(maker.config(PAIRS, "tfidf", ["optim@baseline=static_embeddings"]))
    client, run_id = MlflowClient(database_uri(maker.root)), outcome.row.run_id
    table = parquet.read_table(client.download_artifacts(run_id, "predictions.parquet", str(tmp_path)))
    pairs = inputs_of(maker.context(PAIRS).splits.test)
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


def test_a_query_that_is_one_text_does_not_fit_pairs(maker: Maker, tmp_path: Path, compose: Callable[..., Config]) -> None:
    own = [each for each in overrides(tmp_path / "nothing.csv", tmp_path) if each != "measure=quick"]
    config = compose("optim=baseline", *own, "measure=book")
    with pytest.raises(ConfigError, match=r"set measure\.query=null"):
        check(config)
    alone = replace(config.measure, query=None)
    require_task(replace(config, measure=alone), task_of(PAIRS))
    drawn = queries_of(QUERIES, replace(alone, protocol="queries", queries=3), 0)
    assert sorted(drawn.texts) == sorted(QUERIES) and queries_of(QUERIES, alone, 0).texts[0] == QUERIES[0]


def test_a_student_without_token_types_cannot_learn_hidden_states_of_pairs() -> None:
    bert, roberta = (Outline("torch", network(each), TOKENIZERS[each]()) for each in ("bert", "roberta"))
    step = Distill("distill", hidden_loss_weight=1.0)
    with pytest.raises(OptimizationError, match="only one has token types"):
        step.check_losses(roberta, bert, pairs=True)
    step.check_losses(bert, bert, pairs=True)
