"""The model card: metadata for the Hub, the table, how the classifier is loaded; and names that the Hub would not take."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pipeline.deployment.card import Card, model_card
from pipeline.deployment.forms import Form
from pipeline.deployment.publish import check
from pipeline.errors import PublishError
from pipeline.runtimes.base import Description, PublishedForm

FORM = Form(PublishedForm.STANDARD, handler=True)
LABELS = ["weather", "music", "food"]
CARD = Card(
    optim="distillation", data="toy", backbone="tiny", steps=("distill", "prune"), plot=Path("comparison.png"),
    table_markdown="| optimization | accuracy % |\n| --- | ---: |\n| distillation | 91.5 |",
    metrics={"quality/accuracy": 0.915}, labels=tuple(LABELS), base_models=("google-bert/bert-base-uncased",),
)  # fmt: skip


def test_the_card_has_the_hubs_metadata_the_table_the_steps_and_no_password() -> None:
    _, front, body = model_card("ada/tiny", Description("torch", LABELS, 8), FORM, CARD).split("---\n", 2)
    data = yaml.safe_load(front)
    assert (data["library_name"], data["pipeline_tag"]) == ("transformers", "text-classification")
    assert data["base_model"] == ["google-bert/bert-base-uncased"] and data["metrics"] == ["accuracy"]
    result = data["model-index"][0]["results"][0]
    assert result["dataset"]["name"] == "toy" and result["metrics"] == [
        {"type": "accuracy", "value": 0.915, "name": "accuracy"}
    ]
    assert result["dataset"]["split"] == "test"
    for part in (CARD.table_markdown, "1. distill\n2. prune\n", "![accuracy over latency](comparison.png)"):
        assert part in body


def test_the_card_says_how_a_decision_rule_is_applied() -> None:
    rule = {"temperature": 2.0, "oos_score": "energy", "threshold": 1.0}
    described = [Description("torch", LABELS, 8, 0, decision=decision) for decision in (None, rule)]
    card = replace(CARD, metrics={**CARD.metrics, "argmax/accuracy": 0.881})
    plain, ruled = (model_card("ada/tiny", description, FORM, card) for description in described)
    assert "accuracy without the decision rule 88.1%, accuracy with the decision rule 91.5%" in ruled
    assert "On the test split, of these weights: accuracy 91.5%." in plain
    stated = yaml.safe_load(ruled.split("---\n", 2)[1])["model-index"][0]["results"][0]["metrics"]
    assert [one["value"] for one in stated] == [0.881, 0.915] and "without" in stated[0]["name"]
    assert "not by transformers" in ruled and "EndpointHandler" in ruled and "text-classification" in ruled
    assert "EndpointHandler" not in plain


def test_the_card_of_an_onnx_graph_says_how_others_run_it_and_what_they_do_in_another_way() -> None:
    described = Description("onnx", LABELS, 8)
    ruled = replace(described, decision={"temperature": 2.0})
    card = replace(CARD, metrics={**CARD.metrics, "argmax/accuracy": 0.881})
    form = Form(PublishedForm.ONNX, handler=True, notes=("It takes one text at a time.",))
    first, second = (model_card("ada/tiny", one, form, card) for one in (described, ruled))
    assert yaml.safe_load(first.split("---\n", 2)[1])["library_name"] == "transformers.js"
    for part in (
        'pipeline("text-classification", "ada/tiny")',
        'folder = Path(snapshot_download("ada/tiny"))',
        "## What others do in another way\n\n- It takes one text at a time.\n",
    ):
        assert part in first
    compile(first.split("```python\n")[1].split("```")[0], "card", "exec")
    assert "EndpointHandler" not in first and "EndpointHandler" in second


def test_the_card_of_several_labels_says_how_right_they_are_with_and_without_their_thresholds() -> None:
    metrics = {f"{section}/{name}": value for section, value in (("quality", 0.5), ("argmax", 0.4))
               for name in ("accuracy", "f1_micro", "f1_macro")}  # fmt: skip
    described = Description("torch", LABELS, 8, decision={"temperature": 1.0, "thresholds": [0.3]}, task="multi_label_pairs")
    text = model_card("ada/tiny", described, FORM, replace(CARD, metrics=metrics))
    assert "micro F1 without the decision rule 40.0%, micro F1 with the decision rule 50.0%, macro F1 without" in text
    stated = yaml.safe_load(text.split("---\n", 2)[1])["model-index"][0]["results"][0]["metrics"]
    expected = [(kind, value) for kind in ("f1", "f1", "accuracy") for value in (0.4, 0.5)]
    assert [(one["type"], one["value"]) for one in stated] == expected
    assert "A classifier of pairs of texts, each with any number of 3 labels" in text
    load = 'model="ada/tiny", truncation=True, top_k=None)({"text": "a text", "text_pair": "another"})'
    assert load in text, "else transformers reads a long text further than it was trained"


@pytest.mark.parametrize("repository", ["", "a/b/c", "ada/", "ada/a b", "ada/über", "-a", "ada/a--b", "ada/x.git", "a" * 97])
def test_a_name_that_the_hub_would_not_take_is_told(repository: str) -> None:
    with pytest.raises(PublishError, match=r"^publish error: publish.hub=.*: must be user/name"):
        check(repository)
