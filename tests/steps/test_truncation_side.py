"""A network that is trained on the ends of texts is measured and served on the ends of texts."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.runtimes.base import load
from pipeline.steps.base import Context
from pipeline.steps.execute import run_steps
from pipeline.steps.finetune import Finetune
from pipeline.steps.store import Store
from tests.conftest import composed, small, write_csv
from tests.support.families import checkpoint_of

pytestmark = pytest.mark.slow


def test_a_tokenizer_that_cuts_the_beginning_gives_an_artifact_that_does(tmp_path: Path) -> None:
    rows = [(f"{'rain tomorrow ' * 6}{number} {word}", word) for word in ("pizza", "music") for number in range(60)]
    checkpoint_of("bert", tmp_path / "own", {"truncation_side": "left"})
    config = composed(
        "optim=baseline", *small(tmp_path, write_csv(tmp_path / "ends.csv", rows)), "backbone.max_length=8",
        "backbone.teacher.random=false", f"backbone.teacher.path={tmp_path / 'own'}",
        *(f"backbone.teacher.finetune.{setting}" for setting in ("epochs=12", "learning_rate=3e-3", "batch_size=8")),
    )  # fmt: skip
    assert isinstance(config.optim.steps["finetune"], Finetune)
    context = Context(config.data.load(0), config.backbone, 0)
    made = run_steps(config.optim, context, Store(tmp_path))
    validation = context.splits.validation
    right = load(made.artifact, 1).logits(list(validation["text"])).argmax(1) == np.array(validation["label"])
    learned = max(epoch["validation_accuracy"] for epoch in next(iter(made.curves.values())))
    assert right.mean() == learned > 0.9
