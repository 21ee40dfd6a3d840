"""Which constraints a candidate fails, and how that is told."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pipeline.config import Config, Decide
from pipeline.selection.candidate import Candidate
from pipeline.selection.constraints import Rules
from pipeline.selection.decision import decide
from tests.support.candidates import BASELINE, FAST, SMALL, row, without, words


def test_each_rejection_names_the_metric_its_interval_and_the_bound() -> None:
    assert words(SMALL, latency_p95_ms=3, size_mb=16, speedup=5, accuracy_loss=0.01, min_accuracy=0.88) == []
    assert words(BASELINE, size_mb=30, speedup=1.5) == [
        "size 80.0 MB, at most 30 MB", "speed-up 1.00x, at least 1.5x",
    ]  # fmt: skip
    assert words(FAST, accuracy_loss=0.01) == ["change of accuracy on validation -1.50 pp [-1.60, -1.40], at least -1 pp"]
    assert words(FAST, min_oos_recall=0.5) == [
        "out-of-scope recall was not measured on validation, at least 50 % is required"
    ]


def test_a_bound_must_hold_for_the_whole_interval_unless_not_strict() -> None:
    bounds: dict[str, Any] = {"latency_p95_ms": 2.01, "accuracy_loss": 0.0055, "min_accuracy": 0.89}
    assert [text.partition(" ")[0] for text in words(SMALL, **bounds)] == ["p95", "change", "accuracy"]
    assert all("the value keeps it, its interval does not" in text for text in words(SMALL, **bounds))
    assert words(SMALL, strict=False, **bounds) == []


def test_a_speedup_of_one_pair_has_no_interval_and_keeps_no_strict_bound() -> None:
    quick = Candidate((without("quick", "delta/speedup", speedup=9.0),))
    assert words(quick, speedup=3) == ["speed-up 9.00x without an interval, at least 3x"]
    assert words(quick, strict=False, speedup=3) == []
    told = json.dumps(decide("toy", [quick], {"speedup": 3}, Decide("size")).plain(), allow_nan=False)
    assert '"delta/speedup": [9.0]' in told


def test_a_bound_on_macro_f1_is_not_judged_by_a_handful_of_texts() -> None:
    f1 = {f"validation/delta_f1_macro_pp{bound}": value for bound, value in (("", 0.1), ("_low", -0.2), ("_high", 0.4))}
    few = {"validation/delta_gained": 5.0, "validation/delta_lost": 4.0}
    one = replace(row("one"), metrics=row("one").metrics | f1 | few)
    (why,) = words(Candidate((one,)), f1_macro_loss=0.01)
    assert "macro F1" in why and "only 9 texts flipped, 30 are needed; bound accuracy_loss instead" in why
    assert words(Candidate((one,)), accuracy_loss=0.01) == [], "a share of fixed texts has an exact test"
    enough = replace(one, metrics=one.metrics | {"validation/delta_gained": 26.0})
    assert words(Candidate((enough,)), f1_macro_loss=0.01) == []
    partly = replace(one, metrics=one.metrics | {"validation/delta_changed": 40.0})
    assert words(Candidate((partly,)), f1_macro_loss=0.01) == [], "of several labels a text some, not all, become right"


def quantized(agreement: float) -> Candidate:
    one = row("int8")
    return Candidate((replace(one, metrics=one.metrics | {"quantize/agreement": agreement}),))


def test_what_quantization_changed_much_is_not_chosen_unless_a_setting_allows_it(compose: Callable[..., Config]) -> None:
    bounds = compose("optim=baseline").constraints
    assert bounds["agreement"] == 0.98
    (failure,) = Rules(bounds, True).failures(quantized(0.95))
    assert failure.message == (
        "agreement with the network before quantization 95.0 %, at least 98 % (constraints.agreement=null allows it)"
    )
    assert not Rules(bounds, True).failures(quantized(0.99)) and not Rules(bounds, True).failures(SMALL)
    for allowed in ("0.9", "null"):
        bounds = compose("optim=baseline", f"constraints.agreement={allowed}").constraints
        assert not Rules(bounds, True).failures(quantized(0.95))
