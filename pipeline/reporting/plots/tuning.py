"""Two of Optuna's plots of a search for settings: the history of its trials, and the importance of the settings."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from pipeline.reporting.plots.style import DPI, new_figure, save_figure

if TYPE_CHECKING:
    import optuna

NOTED = "search"
SIZE = (8.0, 4.5)  # inches
ACCURACY = "accuracy on the validation split"
NO_IMPORTANCE = "importance unknown: too few trials, or all with equal results"


def save(search: Mapping[str, Any], folder: Path) -> None:
    """Write search_history and search_importance as .png and .svg, from the result of `pipeline.training.tuning.search`."""
    for name, figure in draw(search).items():
        save_figure(figure, folder, f"search_{name}")


def draw(search: Mapping[str, Any]) -> dict[str, Figure]:
    """The figures by name: history and importance."""
    study = study_of(search)
    return {"history": _history(study, search), "importance": _importance(study, search)}


def study_of(search: Mapping[str, Any]) -> "optuna.Study":
    """The noted trials as a study in memory.

    Settings range from the smallest to the largest tried value: notes have no more.
    """
    import optuna
    from optuna.trial import TrialState

    study = optuna.create_study(direction="maximize")
    tried = [trial["settings"] for trial in search["trials"]]
    ranges = {name: [settings[name] for settings in tried] for name in search["best"]}
    spaces: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(min(values), max(values)) for name, values in ranges.items()
    }
    for trial in search["trials"]:
        finished = trial["state"] == "finished"
        added = optuna.trial.create_trial(
            state=TrialState.COMPLETE if finished else TrialState.PRUNED, value=trial["value"] if finished else None,
            params=trial["settings"], distributions=spaces, intermediate_values=dict(enumerate(trial["epochs"], 1)),
        )  # fmt: skip
        study.add_trial(added)
    return study


def _history(study: "optuna.Study", search: Mapping[str, Any]) -> Figure:
    from optuna.visualization.matplotlib import plot_optimization_history

    with _optunas_style():
        axes = plot_optimization_history(study, target_name=ACCURACY)
        stopped = [(n, trial["value"]) for n, trial in enumerate(search["trials"]) if trial["state"] == "stopped early"]
        if stopped:  # Optuna only shows completed trials
            axes.scatter(*zip(*stopped, strict=True), marker="x", color="0.4", label="stopped early")
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title("")
        axes.set_title("Accuracy of the trials", loc="left")
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
        return _finished(axes)


def _importance(study: "optuna.Study", search: Mapping[str, Any]) -> Figure:
    from optuna.visualization.matplotlib import plot_param_importances

    if not search["importance"]:
        figure = new_figure(*SIZE)
        figure.text(0.5, 0.5, NO_IMPORTANCE, ha="center")
        return figure
    with _optunas_style():
        axes = plot_param_importances(study, evaluator=_evaluator(search["importance"]), target_name=ACCURACY)
        axes.set_title("Share of the variance between trials that a setting explains", loc="left")
        axes.set_xlabel("importance (fANOVA)")
        axes.set_ylabel("")
        legend = axes.get_legend()
        assert legend is not None
        legend.remove()
        return _finished(axes)


def _evaluator(importance: Mapping[str, float]) -> Any:
    """An evaluator that returns the noted importances, which come from the searched ranges, not from the tried values."""
    from optuna.importance import BaseImportanceEvaluator

    class Noted(BaseImportanceEvaluator):
        def evaluate(
            self,
            study: "optuna.Study",
            params: list[str] | None = None,
            *,
            target: Callable[["optuna.trial.FrozenTrial"], float] | None = None,
        ) -> dict[str, float]:
            return dict(importance)

    return Noted()


@contextmanager
def _optunas_style() -> Iterator[None]:
    """Optuna draws with pyplot and sets its own style: use no screen, and restore the style afterwards."""
    import optuna
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    with matplotlib.rc_context({"figure.figsize": SIZE, "figure.dpi": DPI}), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _finished(axes: Any) -> Figure:
    """The figure of Optuna's axes, removed from pyplot."""
    from matplotlib import pyplot

    figure: Figure = axes.figure
    figure.set_layout_engine("constrained")
    pyplot.close(figure)
    return figure
