"""What was chosen becomes the champion: registered, loaded back in a fresh process, checked, and only then aliased."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.data.splits import Splits
from pipeline.deployment.registry import CHAMPION, Damaged, Registry
from pipeline.deployment.round_trip import require_same_answers, require_same_speed
from pipeline.errors import ConfigError, TrackError, UserError
from pipeline.evaluation.metrics import TAG, shown_in
from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import Interval
from pipeline.selection.decision import Decision, Registered
from pipeline.system.machine import machine_name
from pipeline.tracking.artifacts import artifact_of
from pipeline.tracking.identity import protocol_key
from pipeline.tracking.runs import Tracker


def ship(decision: Decision, config: Config, tracker: Tracker) -> Registered:
    """Register what was chosen and make it the champion; where it is that already, it is only checked again.

    Raises UserError, and the champion stays who it was, where the model that comes back from the registry can't be loaded,
    says something else than was measured, or is not as fast; and before anything is registered, where this can't be checked
    here: on another machine, or without the data.
    """
    assert decision.chosen is not None
    row = decision.chosen.best_run()
    run = tracker.client.get_run(row.run_id)
    splits = _require_checkable(run, config)
    expected = tracker.predictions(row.run_id, splits.labels, splits.oos)
    registry = Registry(tracker.connection, tracker.experiment)
    root = Path(config.track.root).resolve()
    with tempfile.TemporaryDirectory() as name, registry.held(root):
        scratch = Path(name)
        champion, damaged = registry.at(CHAMPION), False
        if champion is not None and registry.run_of(champion) == row.run_id:
            try:
                require_same_answers(registry, champion, expected)
            except Damaged:  # since then: it is registered anew
                damaged = True
            else:
                for key, value in evidence(decision, row).items():
                    registry.tag(champion, key, value)
                told = "it was the champion already, and says what was measured"
                return Registered(registry.name, champion, champion, told)
        artifact = artifact_of(tracker.client, run, root, scratch / "candidate")
        settings = {"threads": config.measure.threads, "batch_size": config.measure.batch_size}
        number = registry.add(row.run_id, artifact, settings, evidence(decision, row))
        try:
            require_same_answers(registry, number, expected)
            back, baseline = registry.fetch(number, scratch / "back"), _baseline(decision, row, tracker, root, scratch)
            told = require_same_speed(back, baseline, _reported(row, config), config.measure, expected.texts)
        except UserError as error:
            with contextlib.suppress(TrackError):
                registry.tag(number, "checked", f"failed: {error}"[:1000])
            raise
        checked = f"loaded back: the same predictions; {told}"
        registry.tag(number, "checked", checked)
        return Registered(registry.name, number, registry.promote(number, damaged), checked)


def _require_checkable(run: Any, config: Config) -> Splits:
    """The data that the run was measured on."""
    tags, run_id = run.data.tags, run.info.run_id
    if tags["machine"] != machine_name():
        raise ConfigError(
            f"run {run_id} was measured on another machine ({tags['machine']}): whether the registered model is as fast can "
            "be checked there only; decide there, or with dry_run=true"
        )
    if tags.get("protocol", protocol_key(config)) != protocol_key(config):
        raise ConfigError(f"run {run_id} was measured with other settings; give the same measure=... and backbone=...")
    seed = run.data.params.get("seed", str(config.seed))
    splits: Splits = config.data.load(int(seed))
    if splits.content_hash != tags["data_hash"]:
        raise ConfigError(f"data={config.data.name} is not what run {run_id} was measured on; give the same data=...")
    return splits


def evidence(decision: Decision, row: Row) -> dict[str, str]:
    """Tags of the version; a server takes no more than some thousand characters of each."""
    shown = [name for metric in shown_in(TAG) for name in metric.shown_names]
    metrics = {name: f"{row.metrics[name]:.5g}" for name in shown if name in row.metrics}
    asked = {
        "constraints": " ".join(decision.given_constraints()) or "none",
        "prefer": decision.settings.prefer,
        "strict": f"{decision.settings.strict}".lower(),
    }
    return {"optim": row.optim, "decision": decision.verdict()[:1000], **asked, **metrics}


def _reported(row: Row, config: Config) -> Interval | None:
    """The speed-up that was reported; the baseline's is 1, within the margin."""
    if row.is_baseline:
        return Interval(1.0, 1 / (1 + config.measure.margin), 1 + config.measure.margin)
    return row.interval()


def _baseline(decision: Decision, row: Row, tracker: Tracker, root: Path, scratch: Path) -> Path:
    """The artifact of the baseline that the chosen run was compared with; its own where it is the baseline."""
    baselines = [each for candidate in decision.candidates if candidate.is_baseline for each in candidate.rows]
    reference = next((each for each in baselines if each.seed == row.seed), row)
    return artifact_of(tracker.client, tracker.client.get_run(reference.run_id), root, scratch / "baseline")
