"""The plots of one run, logged to MLflow: those of its steps, and those of its measurement."""

import tempfile
from pathlib import Path

from pipeline.evaluation.report import Report
from pipeline.reporting.plots import noted, profile, reliability
from pipeline.steps.execute import StepsResult
from pipeline.tracking.run import Run


def log_notes(tracked: Run, made: StepsResult) -> None:
    """Log the plots of the steps, and the trials of reused searches. Trials of new searches were logged when they ended."""
    for stage in made.stages:
        notes = stage.manifest["notes"]
        for trial in notes.get("search", {}).get("trials", ()) if stage.reused else ():
            tracked.log_trial(trial)
        with tempfile.TemporaryDirectory() as folder:
            noted.save(notes, Path(folder))
            if any(Path(folder).iterdir()):
                tracked.log_folder(Path(folder))


def log_plots(tracked: Run, report: Report) -> None:
    """Log the reliability diagram and, if it was measured, the profile."""
    with tempfile.TemporaryDirectory() as folder:
        if report.test.quality:
            reliability.save(report, Path(folder))
        if report.profile is not None:
            profile.save(report.profile, report.optim, Path(folder))
        tracked.log_folder(Path(folder))
