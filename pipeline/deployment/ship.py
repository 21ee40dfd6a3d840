"""Makes the chosen optimization the champion: registers it, loads it back in a new process, checks it, moves the alias."""

import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.data.splits import Splits
from pipeline.deployment.registry import CHAMPION, DamagedVersionError, Registry
from pipeline.deployment.round_trip import require_same_answers, require_same_speed
from pipeline.errors import ConfigError, TrackError, UserError
from pipeline.evaluation.metrics import METRICS, TAG, shown_in, validation_key
from pipeline.evaluation.report import Predictions
from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import Interval
from pipeline.models.text_length import resolve
from pipeline.selection.decision import Decision, Registered
from pipeline.system.machine import machine_name
from pipeline.tracking.artifacts import artifact_of
from pipeline.tracking.identity import protocol_key
from pipeline.tracking.runs import Tracker

QUALITY_NAMES = METRICS["quality/accuracy"].names  # with its bounds: on test, which is to report, and on validation


def ship(decision: Decision, config: Config, tracker: Tracker) -> Registered:
    """Register the chosen optimization and make it the champion. If it is the champion already, it is only checked again.

    Raises UserError, without a change of the champion, if the registered model can't be loaded, predicts differently than
    measured, or is not as fast; also, before anything is registered, if this can't be checked here: on another machine or
    without the data.
    """
    assert decision.chosen is not None
    row = decision.chosen.best_run()
    run = tracker.client.get_run(row.run_id)
    splits = _require_checkable(run, config)
    expected = tracker.predictions(row.run_id, splits.labels, splits.oos, task=splits.task)
    registry = Registry(tracker.connection, tracker.experiment)
    root = Path(config.track.root).resolve()
    with tempfile.TemporaryDirectory() as name, registry.lock(root):
        scratch, damaged = Path(name), False
        champion = registry.version_of(CHAMPION)
        if champion is not None and registry.run_id_of(champion) == row.run_id:
            try:
                return _checked_again(registry, champion, expected, version_tags(decision, row))
            except DamagedVersionError:  # it was damaged after its promotion; register it again
                damaged = True
        artifact = artifact_of(tracker.client, run, root, scratch / "candidate")
        settings = {"threads": config.measure.threads, "batch_size": config.measure.batch_size}
        number = registry.register(row.run_id, artifact, settings, version_tags(decision, row))
        try:
            require_same_answers(registry, number, expected)
            registered = registry.fetch(number, scratch / "registered")
            baseline = _baseline_artifact(decision, row, tracker, root, scratch)
            reported = _reported_speedup(row, config)
            speed = require_same_speed(registered, baseline, reported, config.measure, expected.texts)
        except UserError as error:
            with contextlib.suppress(TrackError):
                registry.set_tag(number, "checked", f"failed: {error}"[:1000])
            raise
        checked = f"loaded back: the same predictions; {speed}"
        registry.set_tag(number, "checked", checked)
        return Registered(registry.name, number, registry.promote(number, damaged), checked)


def _checked_again(registry: Registry, champion: str, expected: Predictions, tags: dict[str, str]) -> Registered:
    """The champion, with the tags of this decision. Raises UserError if its predictions are not the measured ones."""
    require_same_answers(registry, champion, expected)
    for key, value in tags.items():
        registry.set_tag(champion, key, value)
    unchanged = "it was the champion already, and its predictions are the measured ones"
    return Registered(registry.name, champion, champion, unchanged)


def _require_checkable(run: Any, config: Config) -> Splits:
    """The data that the run was measured on. Raises ConfigError if machine, settings or data differ from the run's."""
    tags, run_id = run.data.tags, run.info.run_id
    if tags["machine"] != machine_name():
        raise ConfigError(
            f"run {run_id} was measured on another machine ({tags['machine']}): the speed of the registered model can only "
            "be checked there; decide there, or set decide.dry_run=true"
        )
    seed = int(run.data.params.get("seed", config.seed))
    backbone, splits = resolve(config.backbone, config.data.load(seed), seed)
    if tags.get("protocol", own := protocol_key(replace(config, backbone=backbone))) != own:
        raise ConfigError(f"run {run_id} was measured with other settings; give the same measure=... and backbone=...")
    if splits.content_hash != tags["data_hash"]:
        raise ConfigError(f"data={config.data.name} is not what run {run_id} was measured on; give the same data=...")
    return splits


def version_tags(decision: Decision, row: Row) -> dict[str, str]:
    """Tags of the version: optimization, decision, constraints, metrics. Servers limit the length of a tag."""
    shown = [name for metric in shown_in(TAG) for name in metric.shown_names]
    shown = list(dict.fromkeys([*shown, *QUALITY_NAMES]))
    metrics = {name: f"{row.metrics[name]:.5g}" for name in shown if name in row.metrics}
    asked = {
        "constraints": " ".join(decision.given_constraints()) or "none",
        "prefer": decision.settings.prefer,
        "strict": f"{decision.settings.strict}".lower(),
    }
    validation = {name: f"{row.metrics[name]:.5g}" for name in map(validation_key, QUALITY_NAMES) if name in row.metrics}
    reported = {"reported": decision.reported()[:1000], "chosen_among": f"{decision.chosen_among}"}
    return {"optim": row.optim, "decision": decision.verdict()[:1000], **reported, **asked, **metrics, **validation}


def _reported_speedup(row: Row, config: Config) -> Interval | None:
    """The reported speed-up; for the baseline it is 1, within the margin."""
    if row.is_baseline:
        return Interval(1.0, 1 / (1 + config.measure.margin), 1 + config.measure.margin)
    return row.interval()


def _baseline_artifact(decision: Decision, row: Row, tracker: Tracker, root: Path, scratch: Path) -> Path:
    """The artifact of the baseline that the chosen run was compared with; if it is the baseline, its own artifact."""
    baselines = [each for candidate in decision.candidates if candidate.is_baseline for each in candidate.rows]
    reference = next((each for each in baselines if (each.seed, each.comparable) == (row.seed, row.comparable)), row)
    return artifact_of(tracker.client, tracker.client.get_run(reference.run_id), root, scratch / "baseline")
