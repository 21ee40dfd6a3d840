"""The registry of metrics: one declaration is enough for a metric to be shown, bounded, asked for and tracked."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.errors import ConfigCompositionException

from pipeline.commands.configuration.explain import explain
from pipeline.config import CONF, Config, Decide
from pipeline.deployment.ship import version_tags
from pipeline.errors import ConfigError
from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import CHART, LOWER, METRICS, TAG, VIEW, Constraint, Metric, quality, validation_key
from pipeline.evaluation.rows import Row
from pipeline.reporting.legend import legend
from pipeline.reporting.tables import droppable_titles, table
from pipeline.run import check
from pipeline.selection.candidate import Candidate
from pipeline.selection.decision import decide
from pipeline.tracking.view import state

DISK = Metric(
    "disk/reads_mb", " MB", LOWER, 1, title="reads MB", explanation="what is read from disk for one text.",
    constraint=Constraint("reads_mb", "disk reads", 1), interval=True, drop_order=99, shown_in=(VIEW, CHART, TAG),
)  # fmt: skip


def row(name: str, **more: float) -> Row:
    shared = {
        "quality/accuracy": 0.9,
        "validation/accuracy": 0.9,
        "latency/mean_ms": 4.0,
        "size/mb": 20.0,
        "delta/speedup": 1.0,
    }
    return Row(name, shared | {key.replace("__", "/"): value for key, value in more.items()}, is_baseline=name == "bert")


ROWS = [row("bert"), row("eager", disk__reads_mb=8.0, disk__reads_mb_low=7.9, disk__reads_mb_high=8.1)]


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """One declaration more."""
    monkeypatch.setitem(METRICS, DISK.key, DISK)


@pytest.mark.usefixtures("added")
def test_a_metric_that_is_declared_once_is_in_the_table_and_the_legend() -> None:
    titles, baseline, eager = table(ROWS).cells
    assert (titles[-1], baseline[-1], eager[-1]) == ("reads MB", "-", "8.0") and droppable_titles()[-1] == "reads MB"
    assert "- reads MB: what is read from disk for one text.\n" in legend(ROWS)


@pytest.mark.usefixtures("added")
def test_a_metric_that_is_declared_once_can_be_bounded_and_decides(compose: Callable[..., Config]) -> None:
    config = compose("constraints.reads_mb=7.5")
    assert config.constraints["reads_mb"] == 7.5
    eager = Candidate((ROWS[1],))
    decision = decide("toy", [eager], config.constraints, Decide())
    assert decision.why_not(eager) == "disk reads 8.0 MB [7.9, 8.1], at most 7.5 MB"
    assert decide("toy", [eager], {"reads_mb": 8.2}, Decide()).chosen is eager
    assert decision.plain()["candidates"][0]["metrics"]["disk/reads_mb"] == [8.0, 7.9, 8.1]
    with pytest.raises(ConfigError, match=r"constraints\.reads_mb=-1\.0: must be above 0"):
        compose("constraints.reads_mb=-1")


@pytest.mark.usefixtures("added")
def test_a_metric_that_is_declared_once_may_be_an_objective(compose: Callable[..., Config]) -> None:
    config = compose()
    check(replace(config, objective=["disk/reads_mb", "disk/reads_mb_low"]))
    with pytest.raises(ConfigError, match=r"objective=disk/read_mb: no such metric; did you mean disk/reads_mb\?"):
        check(replace(config, objective=["disk/read_mb"]))


def test_the_validation_split_has_a_twin_of_each_metric_that_rates_answers_and_of_no_other() -> None:
    pairs = {
        "quality/accuracy": "validation/accuracy", "quality/accuracy_low": "validation/accuracy_low",
        "quality/ece": "validation/ece", "argmax/f1_macro": "validation/argmax_f1_macro",
        "delta/accuracy_pp_high": "validation/delta_accuracy_pp_high", "delta/lost": "validation/delta_lost",
    }  # fmt: skip
    assert {key: validation_key(key) for key in pairs} == pairs and set(pairs.values()) <= set(metrics.names())
    for key in ("latency/p50_ms", "delta/speedup_low", "size/mb", "validation/accuracy", "calibrate/threshold", "new/thing"):
        assert validation_key(key) == key
    twins = [metric for metric in METRICS.values() if metric.key.startswith("validation/")]
    assert len(twins) == len([metric for metric in METRICS.values() if metric.on_test]) > 10
    assert not any(metric.title or metric.constraint or metric.shown_in for metric in twins), "a table has the test split"


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("quality/accuracy", "validation/accuracy"), ("quality/f1_macro_low", "validation/f1_macro_low"),
        ("delta/accuracy_pp", "validation/delta_accuracy_pp"), ("argmax/accuracy", "validation/argmax_accuracy"),
    ],
)  # fmt: skip
def test_what_a_sweeper_maximizes_is_not_of_the_test_split(compose: Callable[..., Config], name: str, instead: str) -> None:
    config = compose()
    assert list(config.objective) == ["validation/accuracy"]
    check(replace(config, objective=[instead]))
    with pytest.raises(ConfigError, match=f"^config error: objective={name}: the test split must not choose; "):
        check(replace(config, objective=["delta/speedup", name]))
    with pytest.raises(ConfigError, match=f"; set objective={instead}$"):
        check(replace(config, objective=[name]))


@pytest.mark.usefixtures("added")
def test_a_metric_that_is_declared_once_is_in_mlflows_view_and_the_models_tags() -> None:
    view = state("accuracy")
    assert "metrics.`disk/reads_mb`" in view["selectedColumns"]
    assert "disk/reads_mb" in [chart.get("metricKey") for chart in view["compareRunCharts"]]
    decision = decide("toy", [Candidate((ROWS[1],))], {}, Decide())
    assert version_tags(decision, ROWS[1])["disk/reads_mb"] == "8"


def test_a_metric_that_is_not_declared_is_nowhere(compose: Callable[..., Config]) -> None:
    assert "reads MB" not in table(ROWS).cells[0] and "reads" not in legend(ROWS) and "disk" not in str(state("accuracy"))
    with pytest.raises(ConfigError, match=r"constraints\.reads_mb: no such key"):
        compose("+constraints.reads_mb=7.5")


def test_one_declaration_of_a_quality_gives_all_its_metrics_and_both_constraints() -> None:
    found = {metric.key: metric for metric in quality("recall_at_5", "recall at 5", "R@5 %", proportion=True)}
    assert list(found) == [
        "quality/recall_at_5", "argmax/recall_at_5", "delta/recall_at_5_pp", "delta/recall_at_5_mcnemar_p"
    ]  # fmt: skip
    assert found["delta/recall_at_5_pp"].names[1:] == ("delta/recall_at_5_pp_low", "delta/recall_at_5_pp_high")
    keys = [metric.constraint.key for metric in found.values() if metric.constraint is not None]
    assert keys == ["min_recall_at_5", "recall_at_5_loss"]
    alone = quality("brier", "Brier score", compared=False, direction=LOWER)
    assert [metric.names for metric in alone] == [("quality/brier",), ("argmax/brier",)]


def test_conf_shows_constraints_that_there_are_without_a_bound() -> None:
    listed: dict[str, Any] = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))["constraints"]
    assert set(listed) <= set(metrics.constraints()) and set(listed.values()) == {None} and len(listed) > 10


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("constraints.min_acuracy=0.9", r"constraints\.min_acuracy: no such key; did you mean min_accuracy\?"),
        ("+constraints.min_acuracy=0.9", r"constraints\.min_acuracy: no such key; did you mean min_accuracy\?"),
        ("constraints.min_accuracy=90", r"constraints\.min_accuracy=90\.0: must be at most 1"),
        ("constraints.accuracy_loss=-0.1", r"constraints\.accuracy_loss=-0\.1: must be at least 0"),
        ("constraints.size_mb=0", r"constraints\.size_mb=0\.0: must be above 0"),
        ("constraints.size_mb=inf", r"constraints\.size_mb=inf: must be a finite number"),
    ],
)
def test_a_wrong_constraint_is_told_with_its_full_key(override: str, words: str, compose: Callable[..., Config]) -> None:
    with pytest.raises((ConfigError, ConfigCompositionException)) as caught:
        compose(override)
    assert re.search(words, explain(caught.value) or "")


def test_every_column_is_dropped_at_its_own_turn_and_has_its_own_title() -> None:
    titles = [metric.title for metric in metrics.columns()]
    turns = [metric.drop_order for metric in METRICS.values() if metric.drop_order]
    assert len(set(titles)) == len(titles) and len(set(turns)) == len(turns)
    assert all(metric.title for metric in METRICS.values() if metric.drop_order or metric.explanation)
    assert all(metric.explanation.endswith(".") for metric in metrics.columns() if metric.explanation)


def test_the_names_that_the_code_uses_are_declared() -> None:
    """Every quoted name of these sections is one of the registry."""
    sections = "quality|delta|latency|size|memory|cost|energy|throughput|argmax"
    code = [file.read_text(encoding="utf-8") for file in Path(metrics.__file__).parents[1].rglob("*.py")]
    used = {name for text in code for name in re.findall(rf'"((?:{sections})/\w+)"', text)}
    assert len(used) > 20 and used <= set(metrics.names()), used - set(metrics.names())
