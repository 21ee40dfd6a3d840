"""Static vectors for tokenizers of each kind, from the step to the runtime."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.augmentation import Augment
from pipeline.runtimes.base import Description, load
from pipeline.steps.base import Context
from pipeline.steps.shared.transfer import Transfer, read
from pipeline.steps.static_embeddings import StaticEmbeddings
from tests.steps.test_trim_vocabulary import artifact_of, context  # noqa: F401
from tests.support.families import LABELS
from tests.support.vocabularies import OTHERS, TRAINING

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("family", ["roberta", "multilingual"])
def test_static_vectors_of_byte_pairs_and_unigram_pieces_are_trained_and_answer(
    family: str,
    tmp_path: Path,
    context: Context,  # noqa: F811
) -> None:
    teacher, artifact = artifact_of(family, tmp_path / "teacher"), tmp_path / "static"
    artifact.mkdir()
    transfer = tmp_path / "transfer"
    transfer.mkdir()
    Transfer(augment=Augment(copies=1, drop=0.5)).make(replace(context, source=teacher), transfer, tmp_path)
    copies = [text.split() for text in read(transfer)[0]["text"][len(TRAINING) :]]
    assert any("<unk>" in words for words in copies) is (family == "multilingual")
    step = StaticEmbeddings("static_embeddings", hidden_size=8, intermediate_size=16, epochs=20)
    step.make(replace(context, needed={"teacher": teacher, "transfer": transfer}), artifact, tmp_path)
    classifier, described = load(artifact, 1), Description.read(artifact)
    assert (described.runtime, described.pad_id) == ("static", 1)
    learned = load(teacher, 1).logits(TRAINING).argmax(1) == classifier.logits(TRAINING).argmax(1)
    assert learned.mean() > 0.6
    together = classifier.logits([*TRAINING, *OTHERS])
    assert together.shape == (len(TRAINING) + len(OTHERS), len(LABELS))
    np.testing.assert_allclose(np.concatenate([classifier.logits([text]) for text in TRAINING[:5]]), together[:5], atol=1e-5)
