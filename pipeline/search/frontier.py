"""The Pareto front of small students: search on the validation split, plot it, then measure it on the test split."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.config import Config, digest, plain
from pipeline.models.outline import Outline
from pipeline.reporting.plots import pareto
from pipeline.run import check, run
from pipeline.search.pareto_search import judge, run_search, to_json
from pipeline.search.space import Choice, choices, optim_of
from pipeline.selection.trials import Judged, Tried, front
from pipeline.steps.execute import check_steps, run_steps
from pipeline.system import locks
from pipeline.tracking.job import prepare


def search(config: Config) -> tuple[list[Tried], Path]:
    """Run the search; returns the trials on the front, and the folder with `frontier.png` and `frontier.json`.

    Raises UserError for a value that can't work, before anything is trained.
    """
    optims = [optim_of(choice, config.optim) for choice in choices(config.frontier)]  # raises for a wrong value
    first = replace(config, optim=optims[0])
    check(first)
    with locks.shared():
        job = prepare(first)
        baseline = run_steps(config.baseline, job.context, job.store).artifact

        known: dict[str, Outline] = {}

        def judged(choice: Choice) -> Judged:
            optim = optim_of(choice, config.optim)
            check_steps(optim, job.context, known)  # raises for what can't be made, before anything is trained
            made = run_steps(optim, job.context, job.store)
            return judge(made.artifact, baseline, job.context, config)

        folder = folder_of(config, job.comparable)
        tried = run_search(config, folder, judged)
        title = f"{config.data.name}, {len(tried)} students against {config.baseline.name}"
        pareto.save(tried, title, folder)
        (folder / "frontier.json").write_text(json.dumps(to_json(tried), indent=1) + "\n", encoding="utf-8")
    return front(tried), folder


def confirm(best: Sequence[Tried], config: Config) -> None:
    """Run each of these as `python -m pipeline` does. This uses the test split for the first time."""
    for one in best:
        run(replace(config, optim=optim_of(one.choice, config.optim)))


def folder_of(config: Config, comparable: str) -> Path:
    """The folder of a search; searches with other data, another space or other trainings have other folders."""
    space = {name: value for name, value in plain(config.frontier).items() if name != "n_trials"}
    finetune = [plain(weights.finetune) for weights in (config.backbone.teacher, config.backbone.student)]
    key = digest([comparable, space, plain(config.optim), finetune, config.seed])[:12]
    folder = config.folder("frontier")
    return folder.with_name(f"{folder.name}-{key}")
