"""The runs that a decision may rest on, and whether they compare: else nothing is decided."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.errors import TrackError, no_finished_run
from pipeline.evaluation.rows import Row
from pipeline.selection.candidate import Candidate

Found = tuple[Row, dict[str, str]]  # a run and its tags
SAME = {  # tag -> what differs where it does, and what to do
    "machine": ("machines", "measure them again on one machine"),
    "protocol": ("backbones or measuring settings", "run them again with the same ones"),
    "baseline": ("baselines", "run them again with one"),
}
OF_A_SEED = {"data_hash": ("data", "run them again with the same data and the same split"), **SAME}  # a seed may cut data
MAX_NAMED = 4


def gather(found: Sequence[Found], experiment: str, sweep_id: str | None) -> list[Candidate]:
    """The newest finished run of each optimization, setting and seed: the baseline first, then by name.

    Raises TrackError where there is none, where they don't compare, and where the baseline of some is missing.
    """
    if not found and sweep_id is not None:
        raise TrackError(f"sweep {sweep_id} has no finished run in {experiment!r}")
    if not found:
        raise no_finished_run(experiment)
    _require_same(found, SAME)
    for seed in {row.seed for row, _ in found}:
        of_seed = [(row, tags) for row, tags in found if row.seed == seed]
        _require_same(of_seed, OF_A_SEED)
        _require_one_baseline(of_seed)
    baselines = {row.optim for row, _ in found if row.is_baseline}
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row, _ in sorted(
        found, key=lambda each: (not each[0].is_baseline, each[0].optim, each[0].settings, each[0].seed or 0)
    ):
        if not row.is_baseline and row.optim in baselines and not row.settings:
            row = replace(row, settings="changed")  # one that is called as the baseline is, and is made otherwise
        groups.setdefault((row.is_baseline, row.optim, row.settings), []).append(row)
    return [Candidate(tuple(rows)) for rows in groups.values()]


def _require_same(found: Sequence[Found], tags: Mapping[str, tuple[str, str]]) -> None:
    """A tag that a run of before does not have says nothing."""
    for tag, (what, advice) in tags.items():
        values: dict[str, list[str]] = {}
        for row, has in found:
            if tag in has:
                values.setdefault(has[tag], []).append(row.name)
        if len(values) > 1:
            told = "; ".join(f"{_names(names)}: {value[:60]}" for value, names in values.items())
            raise TrackError(f"these runs are of different {what} ({told}); {advice}, or name one sweep with sweep.id=ID")


def _require_one_baseline(found: Sequence[Found]) -> None:
    """Of runs with the same seed."""
    groups: dict[str, list[Row]] = {}
    for row, tags in found:
        groups.setdefault(tags["comparable"], []).append(row)
    for rows in groups.values():
        if not any(row.is_baseline for row in rows):
            names = _names([row.name for row in rows])
            raise TrackError(
                f"{names}: the baseline has no finished run to compare with; run one of them again, it comes first"
            )
    if len(groups) > 1:
        told = " / ".join(_names([row.name for row in rows]) for rows in groups.values())
        raise TrackError(f"these were compared with baselines that were made differently: {told}; run the older ones again")


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
