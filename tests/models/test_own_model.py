"""A model of one's own, from its folder to an int8 ONNX file that is measured against it, in one command."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import transformers

from pipeline.config import Config
from pipeline.errors import BackboneError
from pipeline.run import run
from pipeline.runtimes.base import Description, load
from tests.conftest import TOPICS, write_csv
from tests.support.families import TOKENIZERS, checkpoint_of
from tests.support.runs import made

pytestmark = pytest.mark.slow

LABELS = ["weather", "music", "food"]
NAMES: dict[str, Any] = {"id2label": dict(enumerate(LABELS)), "label2id": {each: n for n, each in enumerate(LABELS)}}


def modernbert(directory: Path) -> Path:
    """A ModernBERT with random weights, as a checkpoint."""
    config = transformers.ModernBertConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, pad_token_id=1,
        cls_token_id=0, sep_token_id=2, bos_token_id=0, eos_token_id=2, max_position_embeddings=64, **NAMES,
    )  # fmt: skip
    transformers.ModernBertForSequenceClassification(config).save_pretrained(directory)
    TOKENIZERS["roberta"]().save_pretrained(directory)
    return directory


MODELS: dict[str, Callable[[Path], Path]] = {
    "roberta": lambda folder: checkpoint_of("roberta", folder, **NAMES),
    "deberta-v2": lambda folder: checkpoint_of("deberta-v2", folder, **NAMES),
    "modernbert": modernbert,
}


@pytest.fixture
def overrides(root: Path, tmp_path: Path) -> list[str]:
    """A test file alone, of two of the three labels."""
    rows = [(f"{phrase} {number}", label) for label in ("food", "music") for phrase in TOPICS[label] for number in range(6)]
    return [
        "backbone=own", "backbone.max_length=16", "measure=quick", "data=files", "data.name=toy", f"track.root={root}",
        f"data.test={write_csv(tmp_path / 'test.csv', rows)}", "data.validation_fraction=0.5",
    ]  # fmt: skip


@pytest.mark.parametrize("family", MODELS)
def test_a_fine_tuned_checkpoint_goes_to_a_comparison_in_one_command_with_its_labels(
    family: str, overrides: list[str], compose: Callable[..., Config], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = MODELS[family](tmp_path / "mine")
    config = compose("optim=baseline_onnx_int8", *overrides, f"backbone.model={directory}")
    with caplog.at_level("INFO"):
        outcome = run(config)
    assert "is a fine-tuned classifier" in caplog.text and "labels have no text in the data" in caplog.text
    assert outcome.row.metrics["delta/speedup"] > 0 and len(outcome.made) == 3
    artifact, baseline = (made(replace(config, optim=optim)).artifact for optim in (config.optim, config.baseline))
    assert Description.read(artifact).labels == ["food", "music", "weather"]
    texts = ["play a song", "order a pizza"]
    pipe = transformers.pipeline("text-classification", model=str(directory), top_k=None)
    theirs = [{each["label"]: each["score"] for each in answer} for answer in pipe(texts)]
    for answer, logits in zip(theirs, load(baseline, 1).logits(texts), strict=True):
        assert {*answer} == {*LABELS}
        assert max(answer, key=answer.__getitem__) == ["food", "music", "weather"][logits.argmax()]


def test_a_student_is_made_of_it_and_no_hub_is_asked(
    overrides: list[str], toy_csv: Path, compose: Callable[..., Config], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = checkpoint_of("bert", tmp_path / "mine", **NAMES)
    given = [f"backbone.model={directory}", f"data.train={toy_csv}", "data.test=null", "optim=distillation"]
    config = compose(*overrides, *given, "optim.steps.distill.epochs=1")
    with caplog.at_level("INFO"):
        assert Description.read(made(config).artifact).labels == sorted(LABELS)
    assert "looking for" not in caplog.text


def test_other_labels_are_one_line_before_anything_is_made(
    overrides: list[str], toy_csv: Path, compose: Callable[..., Config], tmp_path: Path
) -> None:
    directory = checkpoint_of("bert", tmp_path / "mine")
    config = compose(*overrides, f"backbone.model={directory}", "optim=baseline")
    with pytest.raises(BackboneError, match=r"has no label 'food', the data has \(2 of 2 differ\)"):
        run(config)
    assert not list((Path(config.track.root) / "stages").glob("finetune-*"))
