"""The Pareto front of small students, over speed, size and quality; then each of it is measured on the test split, once.

python -m pipeline frontier                                          of the default data, 12 trials
python -m pipeline frontier data=clinc150 data.path=... frontier.n_trials=40 optim.steps.distill.epochs=6
python -m pipeline frontier 'frontier.depth=[2,3]' 'frontier.rank=[0,96,128]' frontier.max_seconds=30

What there is to choose from is in conf/config.yaml, under frontier; how students learn, in
optim=student_2l_low_rank. A killed search goes on where it was. Other settings are those of python -m pipeline.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.commands.configuration.compose import one_config
from pipeline.config import Config


def main(arguments: Sequence[str]) -> None:
    """Takes the overrides of a run; the optimization says how students learn."""
    frontier(one_config(["optim=student_2l_low_rank", *arguments]))


def frontier(config: Config) -> None:
    """Search, draw, then run what is on the front as `python -m pipeline` does. Raises UserError for a user's mistake."""
    from dataclasses import replace

    from pipeline.reporting.plots import pareto
    from pipeline.run import check, run
    from pipeline.search.pareto_search import described, judge, run_search
    from pipeline.search.space import Choice, choices, optim_of
    from pipeline.selection.trials import Judged, front
    from pipeline.steps.execute import run_steps
    from pipeline.system import locks
    from pipeline.tracking.job import prepare

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
    best = front(tried)
    print(f"\non the front: {', '.join(one.name for one in best) or 'none'}")
    print(f"plot: {os.path.relpath(folder / 'frontier.png')}, all trials in frontier.json beside it\n")
    for one in best:
        run(replace(config, optim=optim_of(one.choice, config.optim)))


def folder_of(config: Config, comparable: str) -> Path:
    """Where a search lies: one with other data, another space or other trainings lies elsewhere."""
    from pipeline.config import digest, plain

    space = {name: value for name, value in plain(config.frontier).items() if name != "n_trials"}
    which = digest([comparable, space, plain(config.optim), config.seed])[:12]
    folder = config.folder("frontier")
    return folder.with_name(f"{folder.name}-{which}")
