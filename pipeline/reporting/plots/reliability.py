"""The reliability plot: share of right answers over score, with and without the decision rule, and for the baseline."""

from pathlib import Path

from matplotlib.figure import Figure

from pipeline.evaluation.quality.calibration import Bins, binned, ece_by_chance
from pipeline.evaluation.report import Predictions, Report
from pipeline.reporting.plots.style import BLUE, GREEN, GREY, ORANGE, hide_spines, new_figure, save_figure


def save(report: Report, folder: Path) -> None:
    """Write reliability.png and reliability.svg."""
    save_figure(draw(report), folder, "reliability")


def draw(report: Report) -> Figure:
    """The figure."""
    figure = new_figure(7, 6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    lines = [(report.optim, report.test.predictions, BLUE)]
    if report.test.without_rule is not None:
        lines.insert(0, (f"{report.optim} without its rule", report.test.without_rule, GREEN))
    if report.test.baseline is not None:
        lines.insert(0, ("the baseline", report.test.baseline, ORANGE))
    upper.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    upper.annotate("perfectly calibrated", (0.03, 0.06), rotation=34, color=GREY, fontsize=9)
    for name, predictions, colour in lines:
        bins = bins_of(predictions)
        label = f"{name}: off by {bins.ece:.1%} on average, {ece_by_chance(predictions.scores.ravel()):.1%} by chance"
        upper.plot(bins.score, bins.right, "o-", color=colour, markersize=4, label=label)
        lower.step(bins.score, bins.count, where="mid", color=colour)
    upper.set_title("How many of the answers with this score are right?", loc="left")
    upper.set_ylabel("share of right answers")
    upper.legend(loc="lower right", frameon=False)
    upper.set(xlim=(0, 1.02), ylim=(0, 1.02))
    lower.set_yscale("log")
    lower.set_xlabel("score (below the dotted line: overconfident; above: underconfident)")
    lower.set_ylabel("answers")
    hide_spines(upper, lower)
    return figure


def bins_of(predictions: Predictions) -> Bins:
    """Predictions in bins by score."""
    scores, right = predictions.calibration()
    return binned(scores.ravel(), right.ravel())
