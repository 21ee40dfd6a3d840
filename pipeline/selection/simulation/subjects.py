"""`SUBJECTS`: every simulation, by the name that it has on the command line."""

from collections.abc import Callable

from pipeline.selection.simulation import changes, classes, crossfitting, decisions, queries, seeds, ties
from pipeline.selection.simulation.figures import Figures

SUBJECTS: dict[str, Callable[[int, int], Figures]] = {  # each takes the number of cases and a seed
    "decisions": decisions.simulate,
    "ties": ties.simulate,
    "changes": changes.simulate,
    "classes": classes.simulate,
    "seeds": seeds.simulate,
    "crossfitting": crossfitting.simulate,
    "queries": queries.simulate,
}
