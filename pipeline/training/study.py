"""An Optuna study on disk that a killed process can go on with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

Direction = Literal["minimize", "maximize"]


def open_study(
    folder: Path,
    name: str,
    directions: Sequence[Direction],
    seed: int,
    startup_trials: int,
    pruner: optuna.pruners.BasePruner | None = None,
) -> optuna.Study:
    """The study in `folder`/study.log, new or resumed; a trial that a kill interrupted comes first again.

    directions: one for each value of a trial. The first `startup_trials` draw at random, later
    ones by TPE (Bergstra et al. 2011; with several values Ozaki et al. 2022). Only one process may have it open.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    journal = folder / "study.log"
    _cut_torn_line(journal)
    journal.with_name("study.log.lock").unlink(missing_ok=True)  # of a killed process
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(journal))), study_name=name, directions=list(directions),
        load_if_exists=True,
    )  # fmt: skip
    begun = len(study.trials)  # with the seed alone, a search that goes on would draw the same values again
    study.sampler = optuna.samplers.TPESampler(seed=(seed + begun) % 2**32, n_startup_trials=startup_trials)
    if pruner is not None:
        study.pruner = pruner
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.system_attrs.get("fixed_params", trial.params))
    return study


def _cut_torn_line(journal: Path) -> None:
    """A kill may leave half a line at the end of the journal."""
    if journal.exists():
        whole = journal.read_bytes()
        journal.write_bytes(whole[: whole.rfind(b"\n") + 1])
