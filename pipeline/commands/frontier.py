"""Search for the Pareto front of small students, then measure it on the test split, once.

python -m pipeline frontier                                          of the default data, 12 trials
python -m pipeline frontier data=clinc150 data.path=... frontier.n_trials=40 optim.steps.distill.epochs=6
python -m pipeline frontier 'frontier.depth=[2,3]' 'frontier.rank=[0,96,128]' frontier.max_seconds=30

The front is that of the point estimates of speed, size and quality on the validation split. The search space is in
conf/config.yaml under frontier; optim=student_2l_low_rank defines how students are trained. Repeat the command to
continue an interrupted search. Other settings are those of python -m pipeline.
"""

import os
from collections.abc import Sequence

from pipeline.commands.configuration.compose import one_config
from pipeline.config import Config


def main(arguments: Sequence[str]) -> None:
    """Takes the overrides of a run; the optimization defines how students are trained."""
    frontier(one_config(["optim=student_2l_low_rank", *arguments]))


def frontier(config: Config) -> None:
    """Search, print, then run the students on the front. Raises UserError for a user's mistake."""
    from pipeline.search.frontier import confirm, search

    best, folder = search(config)
    print(f"\non the Pareto front of point estimates: {', '.join(one.name for one in best) or 'none'}")
    print(f"plot: {os.path.relpath(folder / 'frontier.png')}, all trials: frontier.json in the same directory\n")
    confirm(best, config)
