"""The search: each trial makes a classifier and evaluates latency, size and quality on the validation split.

Optuna's multi-objective TPE chooses the trials (Ozaki et al. 2022). The study is a journal on disk, so finished trials of an
interrupted search are kept. The test split is not used here.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from pipeline.config import Config
from pipeline.errors import OptimizationError
from pipeline.evaluation.latency.pairs import Session, Subject, compare
from pipeline.evaluation.latency.samples import speedup
from pipeline.evaluation.size import size_of
from pipeline.runtimes import crossfit
from pipeline.runtimes.base import Description
from pipeline.search.space import Choice, choices, name_of, search_space
from pipeline.selection.trials import Judged, Tried
from pipeline.steps.base import Context
from pipeline.steps.calibrate import oos_share_of, sample_weights
from pipeline.steps.shared.inference import crossfitted_logits_of
from pipeline.system import locks, machine
from pipeline.system.progress import bar
from pipeline.system.units import BYTES_PER_MB
from pipeline.tasks import SINGLE_LABEL, Task
from pipeline.tasks.inputs import inputs_of
from pipeline.tasks.single_label import out_of_scope
from pipeline.training.study import open_study

log = logging.getLogger(__name__)
RANDOM_TRIALS = 6  # random trials before TPE chooses


def run_search(config: Config, folder: Path, judge: Callable[[Choice], Judged]) -> list[Tried]:
    """Try `frontier.n_trials` different choices, or all there are. Trials of an interrupted search count."""
    study = open_study(folder, "frontier", ["minimize", "minimize", "maximize"], config.seed, RANDOM_TRIALS)
    space = search_space(config.frontier)
    all_choices = list(choices(config.frontier))
    wanted = min(config.frontier.n_trials, len(all_choices))
    while len(tried := _tried(study)) < wanted:
        seen = [one.choice for one in tried]
        trial = study.ask()
        choice = {name: trial.suggest_categorical(name, values) for name, values in space.items()}
        if choice in seen:  # TPE repeats choices when few are left
            study.tell(trial, state=TrialState.FAIL)
            left = [one for one in all_choices if one not in seen]
            study.enqueue_trial(left[int(np.random.default_rng(len(study.trials)).integers(len(left)))])
            continue
        log.info("trial %d of %d: %s", len(tried) + 1, wanted, name_of(choice))
        try:
            found = judge(choice)
        except OptimizationError as error:
            log.warning("warning: %s can't be made: %s", name_of(choice), error)
            study.tell(trial, state=TrialState.PRUNED)
            continue
        log.info(
            "%s: %.0fx, %.1f MB, validation %.2f %%", name_of(choice), found.speedup, found.size_mb, 100 * found.quality
        )
        study.tell(trial, (1 / found.speedup, found.size_mb, found.quality))
    return tried


def _tried(study: optuna.Study) -> list[Tried]:
    """The trials that have ended, and whether each is on Optuna's Pareto front."""
    found, best = [], {trial.number for trial in study.best_trials}
    for trial in study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)):
        values, choice = trial.values if trial.state is TrialState.COMPLETE else None, dict(trial.params)
        judged = Judged(1 / values[0], values[1], values[2]) if values else None
        found.append(Tried(name_of(choice), choice, judged, trial.number in best))
    return found


def judge(artifact: Path, baseline: Path, context: Context, config: Config) -> Judged:
    """Measure speed-up (in pairs with the baseline), size and quality, all on the validation split.

    Its decision rule was fitted on that split, so the answers are cross-fitted.
    """
    validation = context.splits.validation
    texts, truth = inputs_of(validation), context.splits.task.truth(validation, len(context.splits.labels))
    settings = replace(config.measure, max_seconds=min(config.measure.max_seconds, config.frontier.max_seconds))
    with locks.exclusive(), bar(f"measuring {config.optim.name}", "pair") as progress:
        session = Session(texts, settings, machine.least_busy_cores(settings.threads), progress)
        pairs, _ = compare(Subject(artifact), Subject(baseline), session)
    logits = crossfitted_logits_of(artifact, texts, truth, "judging")
    predicted = crossfit.answer(Description.read(artifact), logits, truth).labels
    quality = quality_of(predicted, truth, context.splits.oos, oos_share_of(config.optim), context.splits.task)
    return Judged(speedup(pairs).value, size_of(artifact).total_bytes / BYTES_PER_MB, quality)


def quality_of(
    predicted: np.ndarray, truth: np.ndarray, oos: int | None, oos_share: float | None, task: Task = SINGLE_LABEL
) -> float:
    """The metric that chooses epochs (accuracy, or micro F1), weighted so that `oos_share` of the texts is out of scope.

    It is unweighted if `oos` or `oos_share` is None.

    predicted, truth: arrays of the task; oos: the index of the out-of-scope label.
    """
    weights = sample_weights(out_of_scope(truth, oos), oos_share)
    return float(task.score_of(weights @ task.parts_of(predicted, truth)))


def to_json(tried: Sequence[Tried]) -> list[dict[str, Any]]:
    """The trials in the form of `frontier.json`."""
    return [
        {"name": one.name, "choice": one.choice, "on_front": one.on_front}
        | ({"error": "it can't be made"} if one.judged is None else vars(one.judged))
        for one in tried
    ]
