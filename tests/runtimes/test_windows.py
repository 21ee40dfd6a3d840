"""Long texts as windows: what each window says, joined; in every runtime that has a tokenizer; short texts as before."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.config import Backbone, Weights
from pipeline.deployment.card import Card, model_card
from pipeline.deployment.forms import Form
from pipeline.errors import BackboneError
from pipeline.models.build import start
from pipeline.models.text_length import require_overlap
from pipeline.runtimes import windows
from pipeline.runtimes.base import Classifier, Description, PublishedForm, load
from pipeline.runtimes.torch import save
from tests.conftest import LEARNED, Carried

LABELS = ["a", "b", "c"]
LENGTH, OVERLAP = 16, 4
ROOM = LENGTH - 2  # tokens of a window besides [CLS] and [SEP]; a token is a letter
LONG = "abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("windows")
    model, tokenizer = start(Backbone("tiny", teacher=Weights(random=True), max_length=LENGTH), "teacher", LABELS, 0)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(8)  # so that texts differ in their logits
    save(model, tokenizer, Description("torch", LABELS, LENGTH), folder)
    return folder


def described(artifact: Path, join: str) -> Classifier:
    replace(Description.read(artifact), window=join, window_overlap=OVERLAP).write(artifact)
    return load(artifact, 1)


def by_hand(artifact: Path, words: list[str], join: str) -> np.ndarray:
    """Each letter is a word, so a window is a text of its own."""
    step = ROOM - OVERLAP
    starts = [0, *range(step, max(len(words) - OVERLAP, 1), step)]
    logits = load(artifact, 1, windows=False).logits([" ".join(words[start : start + ROOM]) for start in starts])
    return np.asarray(logits.mean(axis=0) if join == "mean" else logits.max(axis=0))


@pytest.mark.parametrize("join", ["mean", "max"])
def test_the_logits_of_windows_are_joined_and_short_texts_stay_as_they_are(artifact: Path, join: str) -> None:
    classifier, single = described(artifact, join), load(artifact, 1, windows=False)
    texts = [" ".join(LONG), "a b c", " ".join(LONG[:ROOM]), " ".join(LONG[: ROOM + 1]), ""]
    found = classifier.logits(texts)
    for text, logits in zip(texts, found, strict=True):
        assert logits == pytest.approx(by_hand(artifact, text.split(), join), abs=1e-4)
        assert classifier.logits([text])[0] == pytest.approx(logits, abs=1e-4)
    cut = single.logits(texts)
    assert np.abs(found[0] - cut[0]).max() > 1e-3 and found[1] == pytest.approx(cut[1], abs=1e-4)
    ids, mask, owners = classifier.encode(texts)
    assert ids.shape == mask.shape == (len(owners), LENGTH) and owners.tolist() == [0] * 4 + [1, 2, 3, 3, 4]
    assert classifier.logits_by_length(texts, 2) == pytest.approx(found, abs=1e-4)


def test_a_text_of_megabytes_is_read_up_to_a_number_of_windows(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "MAX_WINDOWS", 5)
    classifier = described(artifact, "max")
    begin = time.perf_counter()
    huge = classifier.logits(["a word or two " * 400_000])
    assert time.perf_counter() - begin < 2
    assert (huge == classifier.logits(["a word or two " * 200])).all()
    assert len(classifier.encode(["a word or two " * 400_000])[2]) == 5


def test_two_windows_share_at_most_half() -> None:
    wide = Backbone("tiny", max_length=LENGTH, window="mean", window_overlap=LENGTH // 2)
    require_overlap(wide)
    with pytest.raises(BackboneError, match="at most half of a window"):
        require_overlap(replace(wide, window_overlap=LENGTH // 2 + 1))


def test_the_card_says_that_transformers_reads_the_beginning() -> None:
    card = Card("o", "d", "b", ("finetune",), "table", Path("plot.png"), {"quality/accuracy": 0.9}, ("a", "b"))
    plain = Description("torch", ["a", "b"], LENGTH)
    form = Form(PublishedForm.STANDARD, handler=True)
    cards = [model_card("ada/x", each, form, card) for each in (plain, replace(plain, window="mean"))]
    assert ["transformers reads their beginning" in text for text in cards] == [False, True]


@pytest.mark.slow
def test_every_runtime_answers_windows_as_torch_does(carried: Carried) -> None:
    texts = [f"{LONG} {LONG[::-1]} " * 4, "rain", "play a song " * 12]
    size = [*LEARNED, "backbone.max_length=8", "backbone.window_overlap=2"]  # so that texts of the splits have windows too
    settings = [*size, "backbone.window=mean"]
    found = {}
    for name, steps in {"torch": (), "onnx": ("export_onnx",), "int8": ("export_onnx", "quantize_onnx_dynamic")}.items():
        done, _ = carried(*settings, *(f"+step@optim.steps.{step}={step}" for step in steps))
        found[name] = load(done.artifact, 1).logits(texts)
    cut = load(carried(*size, "backbone.window=null")[0].artifact, 1).logits(texts)
    assert found["onnx"] == pytest.approx(found["torch"], abs=1e-3)
    assert found["int8"] == pytest.approx(found["torch"], abs=0.5)
    assert np.abs(cut[0] - found["torch"][0]).max() > 0.02 and cut[1] == pytest.approx(found["torch"][1], abs=1e-4)
