"""The Pareto front of small students: searched on the validation split, drawn, then measured on the test split."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.config import Config, digest, plain
from pipeline.reporting.plots import pareto
from pipeline.run import check, run
from pipeline.search.pareto_search import described, judge, run_search
from pipeline.search.space import Choice, choices, optim_of
from pipeline.selection.trials import Judged, Tried, front
from pipeline.steps.execute import run_steps
from pipeline.system import locks
from pipeline.tracking.job import prepare


def search(config: Config) -> tuple[list[Tried], Path]:
    """Try choices; returns those on the front, and the folder with `frontier.png` and `frontier.json`.

    Raises UserError where a value can't work, before anything is trained.
    """
    every = [optim_of(choice, config.optim) for choice in choices(config.frontier)]  # a wrong value costs no training
    first = replace(config, optim=every[0])
    check(first)
    with locks.shared():
        job = prepare(first)
        baseline = run_steps(config.baseline, job.context, job.store).artifact

        def judged(choice: Choice) -> Judged:
            made = run_steps(optim_of(choice, config.optim), job.context, job.store)
            return judge(made.artifact, baseline, job.context, config)

        folder = folder_of(config, job.comparable)
        tried = run_search(config, folder, judged)
        title = f"{config.data.name}, {len(tried)} students against {config.baseline.name}"
        pareto.save(tried, title, folder)
        (folder / "frontier.json").write_text(json.dumps(described(tried), indent=1) + "\n", encoding="utf-8")
    return front(tried), folder


def confirm(best: Sequence[Tried], config: Config) -> None:
    """Run each of these as `python -m pipeline` does; here the test split is seen, for the first time."""
    for one in best:
        run(replace(config, optim=optim_of(one.choice, config.optim)))


def folder_of(config: Config, comparable: str) -> Path:
    """Where a search lies: one with other data, another space or other trainings lies elsewhere."""
    space = {name: value for name, value in plain(config.frontier).items() if name != "n_trials"}
    which = digest([comparable, space, plain(config.optim), config.seed])[:12]
    folder = config.folder("frontier")
    return folder.with_name(f"{folder.name}-{which}")
