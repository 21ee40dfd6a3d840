"""The reliability plot shows each set of answers with its calibration error, in both formats."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from pipeline.evaluation.quality.calibration import ece_by_chance
from pipeline.evaluation.report import Predictions
from pipeline.reporting.plots.reliability import bins_of, draw, save
from tests.evaluation.test_report import against, pair, report


def predictions(scores: list[float], right: list[bool]) -> Predictions:
    truth = np.zeros(len(right), dtype=np.int64)
    predicted = np.where(right, 0, 1)
    return Predictions(["a"] * len(right), truth, predicted, np.array(scores), ["x", "y"], None, np.zeros(len(right), bool))


SURE = predictions([0.9, 0.9, 0.95, 0.9], [True, False, True, False])


def legend_of(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_each_set_of_answers_has_a_line_and_its_error(tmp_path: Path) -> None:
    one = pair([1.0], [2.0])
    compared = report([one.candidate], against(one))
    judged = replace(compared.test, predictions=SURE, without_rule=predictions([0.5, 0.6], [True, False]))
    whole = replace(compared, test=judged)
    upper, lower = draw(whole).axes
    told = legend_of(upper)
    assert [name.partition(":")[0] for name in told] == ["the baseline", "fast without its rule", "fast"]
    assert told[-1].startswith(f"fast: off by {bins_of(SURE).ece:.1%} on average, ") and bins_of(SURE).ece > 0.4
    assert told[-1].endswith(f", {ece_by_chance(SURE.scores):.1%} by chance")
    assert len(lower.lines) == 3
    save(whole, tmp_path)
    assert (tmp_path / "reliability.png").read_bytes()[:4] == b"\x89PNG"
    ElementTree.parse(tmp_path / "reliability.svg")


def test_a_baseline_has_one_line() -> None:
    assert len(legend_of(draw(report([pair([1.0], [2.0]).candidate])).axes[0])) == 1
