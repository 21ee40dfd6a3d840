"""Whether the best epoch was chosen on validation for one of candidate and baseline only, which flatters that one."""

from collections.abc import Sequence

from pipeline.selection.candidate import Candidate

OPTIMISM = ("training/selection_optimism_pp", "tfidf/selection_optimism_pp")  # of a training; a loaded checkpoint has none


def flattered(picked: Candidate | None, candidates: Sequence[Candidate]) -> list[str]:
    """A note where validation flatters only the one that is picked, or only the baseline; [] where it is no difference."""
    baseline = next((each for each in candidates if picked is not None and each.is_baseline_of(picked)), None)
    if picked is None or baseline is None or picked.is_baseline:
        return []
    ours, its = (_optimism(each) for each in (picked, baseline))
    if (ours is None) == (its is None):
        return []
    name, points = (picked.name, ours) if ours is not None else (baseline.name, its)
    return [
        f"the training of {name} was stopped at its best epoch on validation, which flatters it there by about "
        f"{points:.2f} pp; the other one was not trained here, so the change on validation holds this too, that on test not"
    ]


def _optimism(candidate: Candidate) -> float | None:
    """In percentage points, the mean over its seeds; None where one of them was not trained here."""
    found = [next((row.metrics[key] for key in OPTIMISM if key in row.metrics), None) for row in candidate.rows]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if len(known) == len(found) else None
