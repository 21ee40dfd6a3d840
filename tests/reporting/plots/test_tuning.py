"""Optuna's plots of a search show what was noted, and leave nothing behind."""

from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.image
import pytest
from matplotlib import pyplot

from pipeline.reporting.plots import tuning


def trial(state: str, alpha: float, epochs: list[float]) -> dict[str, Any]:
    return {"number": 0, "state": state, "value": max(epochs), "settings": {"alpha": alpha, "epochs": 3}, "epochs": epochs}


TRIALS = [trial("finished", 0.2, [0.5, 0.6]), trial("finished", 0.9, [0.7, 0.8]), trial("stopped early", 0.4, [0.3])]
SEARCH: dict[str, Any] = {
    "best": {"alpha": 0.9, "epochs": 3}, "best_value": 0.8, "trials": TRIALS, "importance": {"alpha": 0.75, "epochs": 0.25},
}  # fmt: skip


def test_the_history_has_every_trial_and_those_that_were_stopped_early_are_crosses() -> None:
    (axes,) = tuning.draw(SEARCH)["history"].axes
    offsets: list[Any] = [dots.get_offsets() for dots in axes.collections]
    points = [places for places in offsets if len(places)]
    assert [dots.tolist() for dots in points] == [[[0, 0.6], [1, 0.8]], [[2, 0.3]]]
    assert list(axes.lines[0].get_ydata())[:2] == [0.6, 0.8]  # type: ignore[arg-type]
    legend = axes.get_legend()
    assert legend is not None and "stopped early" in [text.get_text() for text in legend.get_texts()]
    assert axes.get_ylabel() == tuning.ACCURACY


def test_the_importances_are_those_that_were_noted() -> None:
    (axes,) = tuning.draw(SEARCH)["importance"].axes
    named = dict(zip([label.get_text() for label in axes.get_yticklabels()], axes.patches, strict=True))
    assert {name: bar.get_width() for name, bar in named.items()} == SEARCH["importance"]  # type: ignore[attr-defined]


def test_without_importances_the_plot_says_so() -> None:
    figure = tuning.draw({**SEARCH, "importance": {}})["importance"]
    assert [text.get_text() for text in figure.texts] == [tuning.NO_IMPORTANCE]


@pytest.mark.filterwarnings("error")
def test_the_files_are_written_and_neither_figures_nor_optunas_style_stay(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    tuning.save(SEARCH, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        f"search_{name}.{kind}" for name in ("history", "importance") for kind in ("png", "svg")
    }
    image = matplotlib.image.imread(tmp_path / "search_history.png")
    assert image.shape[:2] == (675, 1200) and image.std() > 0.01
    assert {name for name, value in matplotlib.rcParams.items() if before[name] != value} <= {"backend"}
    assert pyplot.get_fignums() == []
