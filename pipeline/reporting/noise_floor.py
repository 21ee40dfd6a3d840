"""The newest noise floor of this machine, in one sentence that every comparison shows. It measures nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.evaluation.rows import Row
from pipeline.reporting.legend import legend
from pipeline.system.machine import machine_name
from pipeline.tracking.runs import Tracker

KIND = "noise"  # value of the tag `kind` of a noise run
SESSIONS_NOT_MEASURED = "how much a speed-up varies from session to session is not measured yet (noise optim=...)"
NOT_MEASURED = "noise floor of this machine: not measured yet (python -m pipeline noise)"


@dataclass(frozen=True)
class Floor:
    """The result of a finished noise run."""

    run_id: str
    optim: str
    repetitions: int
    excluded: int  # repetitions whose interval excluded 1, although a classifier is as fast as itself
    width: float  # median width of the intervals, a share
    max_seconds: float  # time limit of a repetition
    date: str  # of the end of the run, UTC, like 2026-11-25
    busy: bool = False  # most of the repetitions were measured beside other work
    between_sessions_sd: float | None = None  # of the speed-up over the baseline, a share; None where not measured
    widening: float = 1.0  # how many times as wide an interval must be to hold for other sessions too

    def sentence(self) -> str:
        """The sentence below a comparison."""
        return (
            f"noise floor here: a model against itself, {self.repetitions} times: the interval excluded 1 in "
            f"{self.excluded}, its median width {100 * self.width:.1f} % ({self.optim}, {self.max_seconds:g} s, {self.date}"
            f"{', beside other work' if self.busy else ''}){self._between_sessions()}"
        )

    def _between_sessions(self) -> str:
        if self.between_sessions_sd is None:
            return f"; {SESSIONS_NOT_MEASURED}"
        return (
            f". Against the baseline, the speed-up varied from session to session by {100 * self.between_sessions_sd:.1f} % "
            f"(standard deviation), which no interval above contains: to hold for another session too, make it "
            f"{self.widening:.2g} times as wide"
        )


def explanation(tracker: Tracker, rows: Sequence[Row]) -> str:
    """The legend of a comparison and the noise floor of this machine, as a Markdown list."""
    known = newest(tracker)
    return f"{legend(rows)}\n- {known.sentence() if known is not None else NOT_MEASURED}"


def newest(tracker: Tracker) -> Floor | None:
    """The noise floor of the newest finished noise run on this machine without a slowdown, on any data; None without one.

    Runs on a quiet machine come before those that were measured beside other work.
    """
    query = f"attributes.status = 'FINISHED' and tags.kind = '{KIND}' and params.slowdown = '0.0'"
    everywhere, token = [experiment.experiment_id for experiment in tracker.client.search_experiments()], None
    found: list[Floor] = []
    while True:
        page = tracker.client.search_runs(
            everywhere, query, order_by=["attributes.end_time DESC"], max_results=200, page_token=token
        )
        found += [_floor(run) for run in page if run.data.tags.get("machine") == machine_name()]
        token = page.token
        if not token:
            return next((floor for floor in found if not floor.busy), found[0] if found else None)


def _floor(run: Any) -> Floor:
    info, data = run.info, run.data
    return Floor(
        run_id=info.run_id, optim=data.tags["optim"], repetitions=int(data.metrics["noise/repetitions"]),
        excluded=int(data.metrics["noise/excludes_1_count"]), width=data.metrics["noise/width"],
        busy=2 * data.metrics.get("noise/contended_count", 0) > data.metrics["noise/repetitions"],
        between_sessions_sd=data.metrics.get("noise/between_sessions_sd"),
        widening=data.metrics.get("noise/between_sessions_widening", 1.0),
        max_seconds=float(data.params["max_seconds"]), date=f"{datetime.fromtimestamp(info.end_time / 1000, UTC):%Y-%m-%d}",
    )  # fmt: skip
