"""The runs that a decision can use. It raises an error where they can't be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.errors import TrackError, no_finished_run
from pipeline.evaluation.rows import Row
from pipeline.selection.candidate import Candidate

TaggedRow = tuple[Row, dict[str, str]]  # a run and its tags
EQUAL_TAGS = {  # tags that must be equal in all runs -> what differs otherwise, and advice
    "machine": ("machines", "measure them again on one machine"),
    "protocol": ("backbones or measuring settings", "run them again with the same ones"),
    "baseline": ("baselines", "run them again with one"),
}
EQUAL_TAGS_OF_SEED = {  # in runs with the same seed: a seed may change the split
    "data_hash": ("data", "run them again with the same data and the same split"),
    **EQUAL_TAGS,
}
MAX_NAMED = 4


def gather(found: Sequence[TaggedRow], experiment: str, sweep_id: str | None) -> list[Candidate]:
    """The candidates of finished runs, one run for each optimization, setting and seed: the baseline first, then by name.

    Raises TrackError where there is no run, where runs can't be compared, or where a baseline is missing.
    """
    if not found and sweep_id is not None:
        raise TrackError(f"sweep {sweep_id} has no finished run in {experiment!r}")
    if not found:
        raise no_finished_run(experiment)
    _require_equal(found, EQUAL_TAGS)
    for seed in {row.seed for row, _ in found}:
        of_seed = [(row, tags) for row, tags in found if row.seed == seed]
        _require_equal(of_seed, EQUAL_TAGS_OF_SEED)
        _require_one_baseline(of_seed)
    baselines = {row.optim for row, _ in found if row.is_baseline}
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row, _ in sorted(
        found, key=lambda each: (not each[0].is_baseline, each[0].optim, each[0].settings, each[0].seed or 0)
    ):
        if not row.is_baseline and row.optim in baselines and not row.settings:
            row = replace(row, settings="changed")  # it has the baseline's name, but was made in another way
        groups.setdefault((row.is_baseline, row.optim, row.settings), []).append(row)
    return [Candidate(tuple(rows)) for rows in groups.values()]


def _require_equal(found: Sequence[TaggedRow], tags: Mapping[str, tuple[str, str]]) -> None:
    """Raise TrackError where the tags differ. Older runs may lack a tag, which is no difference."""
    for tag, (what, advice) in tags.items():
        values: dict[str, list[str]] = {}
        for row, has in found:
            if tag in has:
                values.setdefault(has[tag], []).append(row.name)
        if len(values) > 1:
            runs = "; ".join(f"{_names(names)}: {value[:60]}" for value, names in values.items())
            raise TrackError(f"these runs have different {what} ({runs}); {advice}, or select a sweep with sweep.id=ID")


def _require_one_baseline(found: Sequence[TaggedRow]) -> None:
    """Raise TrackError where runs with the same seed have no baseline, or different ones with the same settings.

    A sweep over a setting of the baseline's training has a baseline for each value; each run is judged against its own.
    """
    groups: dict[str, list[Row]] = {}
    for row, tags in found:
        groups.setdefault(tags["comparable"], []).append(row)
    for rows in groups.values():
        if not any(row.is_baseline for row in rows):
            names = _names([row.name for row in rows])
            raise TrackError(
                f"{names}: the baseline has no finished run to compare with; run one of them again, with the baseline first"
            )
    settings = [setting for rows in groups.values() for setting in {row.settings for row in rows if row.is_baseline}]
    if len(settings) > len(set(settings)):
        runs = " / ".join(_names([row.name for row in rows]) for rows in groups.values())
        raise TrackError(
            f"these were compared with baselines that were made differently: {runs}; "
            "run the older ones again, or select a sweep with sweep.id=ID"
        )


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
