"""A search for the settings of a training, with Optuna, on the validation split; the test split is never seen.

The study is a journal on disk: after a kill the search resumes, also inside the trial that was interrupted. A trial that is
worse than the median of the others at the same epoch is stopped.
"""

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from transformers import TrainerCallback

from pipeline.config import digest
from pipeline.training.study import open_study

log = logging.getLogger(__name__)
RANDOM_TRIALS = 10  # before TPE chooses, which is Optuna's default
UNPRUNED_TRIALS = 3  # that always run to their end, so that the median means something
UNPRUNED_EPOCHS = 1  # in which no trial is stopped


@dataclass(frozen=True)
class Space:
    """The values a setting may take: low to high, both included."""

    low: float
    high: float
    whole: bool = False  # whole numbers only
    log: bool = False  # drawn on a logarithmic scale

    def suggest(self, trial: optuna.Trial, name: str) -> float:
        """A value for this trial."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high))
        return trial.suggest_float(name, self.low, self.high, log=self.log)


# (settings, the trial's scratch directory, a callback for the training) -> validation metric of the epoch that is kept
Train = Callable[[dict[str, Any], Path, TrainerCallback], float]


def search(
    spaces: Mapping[str, Space],
    n_trials: int,
    seed: int,
    scratch: Path,
    train: Train,
    on_trial: Callable[[dict[str, Any]], None],
    metric: str = "accuracy",
) -> dict[str, Any]:
    """Run trials until `n_trials` have ended; those that a killed process left count.

    `on_trial` gets every trial as it ends, those from before a kill too: number, state, metric (its name), value (on
    validation), settings, epochs (the value of each), seconds.
    Returns "best" (settings), "trials" and "importance" (share by setting).
    """
    pruner = optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED_TRIALS, n_warmup_steps=UNPRUNED_EPOCHS + 1)
    study = open_study(scratch, "search", ["maximize"], seed, RANDOM_TRIALS, pruner)
    for earlier in _ended(study):
        on_trial(_described(earlier, metric))
    while len(_ended(study)) < n_trials:
        trial = study.ask()
        chosen = {name: space.suggest(trial, name) for name, space in spaces.items()}
        log.info(
            "trial %d of %d: %s", len(_ended(study)) + 1, n_trials, ", ".join(f"{k}={v:.4g}" for k, v in chosen.items())
        )
        _run_trial(study, trial, chosen, scratch, train, metric)
        ended = _described(study.trials[trial.number], metric)
        log.info("trial %d: %s, validation %s %.4f", len(_ended(study)), ended["state"], metric, ended["value"])
        on_trial(ended)
    best = study.best_trial
    return {
        "best": best.params,
        "best_value": best.value,
        "trials": [_described(trial, metric) for trial in _ended(study)],
        "importance": _importance(study),
    }


def _run_trial(
    study: optuna.Study, trial: optuna.Trial, chosen: dict[str, float], scratch: Path, train: Train, metric: str
) -> None:
    folder = scratch / f"trial-{digest(chosen)[:16]}"  # by its settings: an enqueued trial finds its checkpoint
    try:
        value = train(chosen, folder, _Reporter(trial, metric))
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, value)
    shutil.rmtree(folder, ignore_errors=True)  # its checkpoints are several times the network's size


class _Reporter(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Tells the study each epoch's validation metric, and stops a trial below the median."""

    def __init__(self, trial: optuna.Trial, metric: str) -> None:
        self._trial, self._key = trial, f"eval_{metric}"

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A resumed training already has epochs."""
        for entry in state.log_history:
            if self._key in entry:
                self._trial.report(entry[self._key], round(entry["epoch"]))

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        """An epoch has ended."""
        self._trial.report(metrics[self._key], round(state.epoch))
        if self._trial.should_prune():
            raise optuna.TrialPruned


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def _described(trial: FrozenTrial, metric: str) -> dict[str, Any]:
    epochs = [trial.intermediate_values[epoch] for epoch in sorted(trial.intermediate_values)]
    return {
        "number": trial.number,
        "metric": metric,
        "state": "finished" if trial.state is TrialState.COMPLETE else "stopped early",
        "value": trial.value if trial.state is TrialState.COMPLETE else max(epochs),  # Optuna's is that of the last epoch
        "settings": trial.params,
        "epochs": epochs,
        "seconds": trial.duration.total_seconds() if trial.duration else 0.0,
    }


def _importance(study: optuna.Study) -> dict[str, float]:
    """How much of the variance of the value each setting explains; {} where the trials are too few or all alike."""
    finished = study.get_trials(states=(TrialState.COMPLETE,))
    if len(finished) < 2 or len({trial.value for trial in finished}) == 1:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return {k: float(v) for k, v in optuna.importance.get_param_importances(study, evaluator=evaluator).items()}
