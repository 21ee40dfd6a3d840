"""Classifiers without a transformer: they compute what was trained, and are stored without pickle."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.models.static_embeddings import StaticNetwork
from pipeline.runtimes.base import load
from pipeline.runtimes.static import quantized
from pipeline.runtimes.tfidf import features
from pipeline.steps.base import Context
from pipeline.steps.execute import StepsResult, check_order, run_steps
from pipeline.steps.static_embeddings import StaticEmbeddings
from pipeline.steps.store import Store
from pipeline.steps.tfidf import Tfidf
from tests.conftest import small, write_csv

Carried = Callable[..., tuple[StepsResult, Context]]
STATIC = "optim.steps.static"


@pytest.fixture
def carried(compose: Callable[..., Config], root: Path, toy_csv: Path) -> Carried:
    """The name of an optimization and overrides -> what it makes, and the context it is made in."""

    def carry(name: str, *overrides: str) -> tuple[StepsResult, Context]:
        config = compose(f"optim={name}", *small(root, toy_csv), *overrides)
        check_order(config.optim, config.backbone)
        context = Context(config.data.load(0), config.backbone, 0)
        return run_steps(config.optim, context, Store(root)), context

    return carry


def accuracy(made: StepsResult, context: Context) -> float:
    test = context.splits.test
    return float(np.mean(load(made.artifact, 1).logits(test["text"][:]).argmax(1) == np.array(test["label"])))


def test_features_are_words_pairs_of_words_and_parts_of_words() -> None:
    assert features("Is it?") == [
        "is",
        "it",
        "is it",
        "#<i",
        "#is",
        "#s>",
        "#<is",
        "#is>",
        "#<is>",
        "#<i",
        "#it",
        "#t>",
        "#<it",
        "#it>",
        "#<it>",
    ]
    assert features("?!") == []


def test_tfidf_computes_what_scikit_learn_does(carried: Carried) -> None:
    made, context = carried("tfidf", "optim.steps.tfidf.strengths=[10]")
    train, texts = context.splits.train, [*context.splits.test["text"], "", "wholly unknown zzz", "rain rain rain"]
    vectorizer = TfidfVectorizer(analyzer=features, max_features=20000, sublinear_tf=True)
    fitted = LogisticRegression(C=10, max_iter=1000).fit(vectorizer.fit_transform(train["text"]), train["label"])
    classifier = load(made.artifact, 1)
    expected = fitted.decision_function(vectorizer.transform(texts))
    assert np.allclose(classifier.logits(texts), expected, atol=0.01)  # weights are stored in half precision
    assert np.allclose(np.concatenate([classifier.logits([text]) for text in texts]), classifier.logits(texts), atol=1e-5)
    assert accuracy(made, context) > 0.9
    assert {path.name for path in made.artifact.iterdir()} == {"classifier.json", "features.json", "linear.safetensors"}


def test_two_classes_have_two_logits(
    compose: Callable[..., Config], root: Path, tmp_path: Path, toy_rows: list[tuple[str, str]]
) -> None:
    data = write_csv(tmp_path / "two.csv", [row for row in toy_rows if row[1] != "food"])
    config = compose("optim=tfidf", *small(root, data))
    context = Context(config.data.load(0), config.backbone, 0)
    made = run_steps(config.optim, context, Store(root))
    assert load(made.artifact, 1).logits(["rain"]).shape == (1, 2) and accuracy(made, context) > 0.9


def test_strengths_that_are_none_are_refused() -> None:
    for strengths in ([], [0.0, 1.0]):
        with pytest.raises(ConfigError, match="strengths="):
            Tfidf("tfidf", strengths=strengths)


def test_a_static_classifier_without_layers_is_asked_for_none() -> None:
    for wrong in ({"hidden_loss_weight": 1.0}, {"relation_loss_weight": 0.5}):
        with pytest.raises(ConfigError, match="has no layers"):
            StaticEmbeddings("static", **wrong)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_static_classifier_computes_what_its_trained_network_does_and_learns_from_its_teacher(carried: Carried) -> None:
    short = [
        "backbone.teacher.finetune.epochs=8",
        "backbone.teacher.finetune.learning_rate=5e-3",
        "backbone.teacher.finetune.batch_size=8",
    ]
    made, context = carried("static_embeddings", *short, f"{STATIC}.epochs=15", f"{STATIC}.batch_size=8")
    assert accuracy(made, context) > 0.5  # of three classes, by single characters
    texts = context.splits.test["text"][:]
    classifier = load(made.artifact, 1)
    assert np.allclose(np.concatenate([classifier.logits([text]) for text in texts]), classifier.logits(texts), atol=1e-4)
    assert {path.name for path in made.artifact.iterdir()} == {"classifier.json", "static.safetensors", "tokenizer.json"}


def test_the_networks_mean_leaves_padding_out_and_its_vectors_are_stored_to_a_hundredth() -> None:
    torch.manual_seed(0)
    vectors = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    network = StaticNetwork(vectors, 8, 3)
    ids = torch.tensor([[1, 2, 3]])
    alone = network(ids[:, :2], torch.tensor([[1, 1]])).logits
    assert torch.allclose(network(ids, torch.tensor([[1, 1, 0]])).logits, alone)
    values, scales = quantized(vectors)
    assert values.dtype == np.int8 and np.allclose(values * scales[:, None], vectors, atol=np.abs(vectors).max() / 200)
