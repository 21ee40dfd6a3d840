"""A candidate of several seeds: its bounds, the seed that ships."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.evidence import Answered, Evidence
from pipeline.evaluation.quality.seeds import change_over_seeds, ratio_over_seeds, share_over_seeds
from pipeline.selection.candidate import Candidate
from tests.support.candidates import row


def test_over_seeds_the_bounds_hold_how_much_seeds_differ() -> None:
    seeds = [replace(row("x", speedup=value, width=0.0), seed=seed) for seed, value in enumerate((4.0, 4.4, 3.6))]
    metric = Candidate(tuple(seeds)).metric("delta/speedup")
    assert metric is not None and metric.value == pytest.approx(4)
    half = 4.302653 * 0.4 / 3**0.5  # Student's t with two degrees of freedom
    assert [metric.low, metric.high] == pytest.approx([4 - half, 4 + half])
    assert Candidate(tuple(seeds)).name == "x (3 seeds)"


def test_the_seed_that_ships_has_the_best_artifact_not_the_best_last_epoch() -> None:
    seeds = [replace(row("x", loss_pp=pp), seed=seed) for seed, pp in enumerate((-1.0, 0.5, -2.0))]
    curves = [
        replace(each, metrics=each.metrics | {"training/validation_accuracy": 0.9 + 0.01 * (each.seed or 0)})
        for each in seeds
    ]
    assert Candidate(tuple(curves)).best_run().seed == 1


def several(seeds: int, rng: np.random.Generator, texts: int = 600) -> Candidate:
    """A candidate with evidence of both splits; the seeds answer the same texts."""
    before = np.tile(rng.random(texts) < 0.9, (seeds, 1))
    after = np.where(rng.random((seeds, texts)) < 0.03, ~before, before)
    names = tuple(map(str, range(texts)))
    evidence = tuple(
        Evidence(names, after[i], before[i], Answered(names, after[i], before[i]), rng.normal(0.7, 0.01, 6))
        for i in range(seeds)
    )
    change = [100 * float(right.mean() - before[0].mean()) for right in after]
    return Candidate(tuple(replace(row("many", loss_pp=pp), seed=i) for i, pp in enumerate(change)), evidence)


def test_over_seeds_the_bounds_take_texts_and_seeds_together_where_answers_are_known() -> None:
    many = several(3, np.random.default_rng(0))
    before, after = (
        np.stack([np.asarray(getattr(run, name)) for run in many.evidence]) for name in ("baseline_right", "right")
    )
    for key in ("delta/accuracy_pp", "validation/delta_accuracy_pp"):
        assert many.metric(key) == change_over_seeds(before, after).scaled(100)
    assert many.metric("validation/accuracy") == share_over_seeds(after) == many.metric("quality/accuracy")
    assert many.metric("delta/speedup") == ratio_over_seeds([run.log_ratios for run in many.evidence])
    outside = np.arange(before.shape[1]) < 100
    runs = tuple(
        replace(run, outside=outside, test=replace(run.test, outside=outside), p95_log_ratios=run.log_ratios / 2)  # type: ignore[type-var]
        for run in many.evidence
    )
    keys = ("quality/in_scope_accuracy", "delta/oos_recall_pp", "validation/delta_oos_recall_pp", "delta/speedup_p95")
    told = [replace(each, metrics=each.metrics | dict.fromkeys(keys, 0.0)) for each in many.rows]
    parts = Candidate(tuple(told), runs)
    assert parts.metric("quality/in_scope_accuracy") == share_over_seeds(after[:, 100:])
    for key in ("delta/oos_recall_pp", "validation/delta_oos_recall_pp"):
        assert parts.metric(key) == change_over_seeds(before[:, :100], after[:, :100]).scaled(100)
    assert parts.metric("delta/speedup_p95") == ratio_over_seeds([run.log_ratios / 2 for run in runs])
    known, unknown = many.metric("delta/accuracy_pp"), Candidate(many.rows).metric("delta/accuracy_pp")
    assert known is not None and unknown is not None and known.value == pytest.approx(unknown.value)
    other = replace(many.evidence[0], texts=tuple("abc"), test=None)
    apart = Candidate(many.rows, (other, *many.evidence[1:]))
    assert apart.metric("delta/accuracy_pp") == unknown, "each seed has its own test split"
