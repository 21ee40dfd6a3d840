"""The worst class in a decision: which one it is, over several seeds too, and which classes are too small to be judged."""

from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.evidence import Answered, Evidence
from pipeline.evaluation.metrics import METRICS, MIN_CLASS_TEXTS, validation_key
from pipeline.evaluation.quality.seeds import change_over_seeds, share_over_seeds
from pipeline.evaluation.quality.worst_class import WorstClass, largest_loss, lowest_recall, worst

RECALL, CHANGE = "quality/class_recall", "delta/class_recall_pp"
KEYS = {key for each in (RECALL, CHANGE) for key in (each, validation_key(each))}
MAX_NAMED = 5


def worst_class(key: str, runs: Sequence[Evidence]) -> WorstClass | None:
    """The worst class by one of `KEYS`, of one run or of the mean over several seeds, as shares.

    None where the answers of a run are not known, where seeds answered other texts, or where no class has enough texts.
    """
    on_test = key in (RECALL, CHANGE)
    known = [answered for run in runs if (answered := run.test if on_test else run.validation) is not None]
    if not known or len(known) < len(runs) or len({run.texts for run in known}) > 1 or known[0].labels is None:
        return None
    return _of_answers(known, known[0].labels, key in (CHANGE, validation_key(CHANGE)))


def _of_answers(runs: Sequence[Answered], labels: np.ndarray, change: bool) -> WorstClass | None:
    right = [run.by_class[0] for run in runs]
    before = [old for run in runs if (old := run.by_class[1]) is not None]
    if change and len(before) < len(runs):
        return None
    if len(runs) == 1:
        return largest_loss(before[0], right[0], labels) if change else lowest_recall(right[0], labels)
    after, old = np.stack(right), np.stack(before) if change else None
    if old is None:
        return worst(labels, lambda rows, confidence: share_over_seeds(after[:, rows], confidence))
    return worst(labels, lambda rows, confidence: change_over_seeds(old[:, rows], after[:, rows], confidence))


def told(key: str, runs: Sequence[Evidence]) -> str:
    """Which class the worst one is, as " (lowest: 'x', 34 texts)"; "" for another metric, or where it is not known."""
    if key not in KEYS:
        return ""
    found = worst_class(key, runs)
    if found is None:
        return f" (it needs a class of {MIN_CLASS_TEXTS} texts)"
    named = [f"lowest: {_named(found, found.lowest)}"]
    if found.least_sure != found.lowest:
        named.append(f"least sure: {_named(found, found.least_sure)}")
    return f" ({'; '.join(named)})"


def _named(found: WorstClass, name: str) -> str:
    return f"{name!r}, {found.texts[name]} texts"


def notes(runs: Sequence[Evidence], constraints: Sequence[str]) -> list[str]:
    """Which classes are too small for the given constraints; [] without such a constraint, or where none is too small."""
    keys = [key for key in (RECALL, CHANGE) if (bound := METRICS[key].constraint) is not None and bound.key in constraints]
    if not keys:
        return []
    found = []
    for split, key in (("validation", validation_key(RECALL)), ("test", RECALL)):
        judged = worst_class(key, runs)
        if judged is not None and judged.unjudged:
            few = [f"{name!r} {count}" for name, count in judged.unjudged.items()]
            more = f" and {len(few) - MAX_NAMED} more" if len(few) > MAX_NAMED else ""
            found.append(
                f"{len(few)} of {len(few) + len(judged.texts)} classes have fewer than {MIN_CLASS_TEXTS} texts on {split} "
                f"({', '.join(few[:MAX_NAMED])}{more}): no bound on the worst class judges them"
            )
    return found
