"""`handler.py`: a small program without this project answers as the artifact does, with every rule and form of network."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.deployment import forms
from pipeline.deployment.handler import compose
from pipeline.deployment.serve.answers import Answerer
from pipeline.errors import PublishError
from pipeline.models.low_rank import factorize, replace_module
from pipeline.models.pooling import pool
from pipeline.runtimes import torch_int8
from pipeline.runtimes.base import Description, PublishedForm
from pipeline.runtimes.torch import save, save_compact
from pipeline.tasks.decision_rule import OOS_SCORES
from pipeline.tasks.inputs import Input, to_json
from tests.support import instant
from tests.support.families import LABELS, POSITIONS, TEXTS, TOKENIZERS, network

QUERIES = ["play a song", "rain", "", "is it sunny", "no pizza", "a a a play", "song song rain pizza no", "sunny"]
ALONE = """
import json, sys
for name in ("torch", "transformers", "pipeline", "datasets"):
    sys.modules[name] = None  # importing it fails
sys.path.insert(0, sys.argv[1])
from handler import EndpointHandler
print(json.dumps(EndpointHandler()({"inputs": json.loads(sys.argv[2])})))
"""


def same(artifact: Path, folder: Path, texts: Sequence[Input] = QUERIES) -> forms.Form:
    """Write it, and compare the answers of its handler with ours."""
    form = forms.write(artifact, folder, handler=True)
    theirs = compose.load(folder)({"inputs": [to_json(text) for text in texts]})
    for one, other in zip(Answerer(artifact)(texts), theirs, strict=True):
        ours = one._asdict()
        for name in [name for name in ours if name.startswith("score")]:
            assert other.pop(name) == pytest.approx(ours.pop(name), abs=1e-6)
        assert other == ours
    return form


def code_of(folder: Path) -> list[str]:
    return [line for line in (folder / "handler.py").read_text(encoding="utf-8").splitlines() if line.strip()]


def test_every_decision_rule_is_applied(tmp_path: Path) -> None:
    plain = Description.read(instant.write(tmp_path / "artifact", LABELS))
    rules: list[dict[str, Any]] = [
        {"decision": {"temperature": 1.7, "oos_score": None}, "oos": 1},
        {"decision": {"temperature": 1.3, "thresholds": [0.2, 0.5, 0.7]}, "task": "multi_label"},
        {"task": "multi_label"},
        *(
            {"decision": {"temperature": 1.5, "oos_score": score, "threshold": 0.7, "weight": 0.5}, "oos": 1}
            for score in OOS_SCORES
        ),
    ]
    for number, rule in enumerate(rules):
        replace(plain, **rule).write(tmp_path / "artifact")
        same(tmp_path / "artifact", tmp_path / f"written{number}")
    found = compose.load(tmp_path / "written3")({"inputs": QUERIES})
    assert {each["abstained"] for each in found} == {True, False} and compose.load(tmp_path / "written1")({"inputs": "rain"})


def test_long_texts_are_answered_in_windows_and_pairs_as_pairs(tmp_path: Path) -> None:
    (tmp_path / "artifact").mkdir()
    save(network("bert"), TOKENIZERS["bert"](), Description("torch", LABELS, POSITIONS), tmp_path / "artifact")
    for join in ("mean", "max"):
        windows = replace(Description.read(tmp_path / "artifact"), window=join, window_overlap=4)
        windows.write(tmp_path / "artifact")
        form = same(tmp_path / "artifact", tmp_path / join, [" ".join(TEXTS) * 3, *TEXTS, "play the music " * 9])
        assert form.published is PublishedForm.STANDARD and form.handler, "transformers reads the beginning only"
    pairs = instant.write(tmp_path / "of_pairs", LABELS)
    replace(Description.read(pairs), task="single_label_pairs").write(pairs)
    same(pairs, tmp_path / "pairs", [("play", "rain"), ("a song", ""), ("no", "pizza")])


def test_it_needs_its_runtime_alone_and_is_short(tmp_path: Path) -> None:
    artifact = instant.write(tmp_path / "artifact", LABELS)
    assert forms.write(artifact, tmp_path / "written", handler=True).packages == ("numpy", "tokenizers", "onnxruntime")
    command = [sys.executable, "-P", "-c", ALONE, str(tmp_path / "written"), json.dumps(QUERIES)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [each["label"] for each in json.loads(done.stdout)] == [each.label for each in Answerer(artifact)(QUERIES)]
    assert len(code_of(tmp_path / "written")) <= 65


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta-v2"])
def test_networks_that_transformers_can_not_load_have_one_too(family: str, tmp_path: Path) -> None:
    tokenizer, described = TOKENIZERS[family](), Description("torch", LABELS, POSITIONS)
    thin = network(family)
    thin_embeddings = factorize(thin.base_model.embeddings.word_embeddings, 8)
    replace_module(thin, f"{thin.base_model_prefix}.embeddings.word_embeddings", thin_embeddings)
    mean, small = pool(network(family), "mean"), pool(network(family), "mean")
    torch_int8.quantize(small, per_channel=True)
    for name, model, writer in (("thin", thin, save_compact), ("mean", mean, save), ("int8", small, torch_int8.save)):
        (tmp_path / name).mkdir()
        runtime = "torch_int8" if name == "int8" else "torch"
        writer(model, tokenizer, replace(described, runtime=runtime), tmp_path / name)
        form = same(tmp_path / name, tmp_path / f"{name}_written", TEXTS)
        assert form.published is PublishedForm.PROJECT and len(code_of(tmp_path / f"{name}_written")) <= 100
        assert Answerer(tmp_path / f"{name}_written")(TEXTS) == Answerer(tmp_path / name)(TEXTS), "this project loads it too"


def test_a_handler_that_would_answer_otherwise_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = instant.write(tmp_path / "artifact", LABELS)
    assert not forms.write(artifact, tmp_path / "plain").handler
    replace(Description.read(artifact), decision={"temperature": 2.0}).write(artifact)
    with monkeypatch.context() as wrong, pytest.raises(PublishError, match=r"the handler\.py fails: KeyError: 'thresholds'"):
        wrong.setattr(compose, "ANSWERS", {"label": "several_labels"})
        forms.write(artifact, tmp_path / "broken")
    monkeypatch.setattr(compose, "_alike", lambda *_: False)
    with pytest.raises(PublishError, match=r"a handler\.py would answer .* where this project answers"):
        forms.write(artifact, tmp_path / "written")
    assert not forms.write_whatever_loads(artifact, tmp_path / "other").handler
