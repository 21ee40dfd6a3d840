"""A run in MLflow that is in progress: what is logged, and when."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.data import row_counts
from pipeline.evaluation.report import Report
from pipeline.tracking import contents
from pipeline.tracking.contents import PREDICTIONS

NOTE = "mlflow.note.content"  # the run's description, shown as Markdown
MAX_NOTE = 8000  # characters that MLflow keeps of a tag
NOTE_CUT = "\n\nThe rest is in comparison.md, among the artifacts."
DATASET_ATTEMPTS = 5
PARENT = "mlflow.parentRunId"  # nests a run in another


class Run:
    """A run in progress."""

    def __init__(self, client: Any, run_id: str, experiment_id: str) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self.run_id = run_id

    def log_start(self, config_yaml: str, parameters: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Log configuration, parameters, machine and versions, and the data set (name, hash, source, rows, report)."""
        import json

        from mlflow.entities import Dataset, DatasetInput, InputTag, Param

        self._client.log_text(self.run_id, config_yaml, "config.yaml")
        self.log_environment()
        self._client.log_batch(self.run_id, params=[Param(key, str(value)) for key, value in parameters.items()])
        dataset = Dataset(
            name=data["name"], digest=data["hash"][:36], source_type=data["kind"], source=json.dumps(data["source"]),
            profile=json.dumps(data["rows"]),
        )  # fmt: skip
        if data.get("report"):
            self.log_data_report(data["report"])
        self._log_dataset(DatasetInput(dataset, [InputTag("mlflow.data.context", "train and test")]))

    def log_data_report(self, text: str) -> None:
        """Write the report about the data, in the place of what was written before."""
        self._client.log_text(self.run_id, text, row_counts.FILE)

    def _log_dataset(self, dataset: Any) -> None:
        """Two jobs that log the same data set at the same moment collide in MLflow's database: the second then finds it."""
        from mlflow.exceptions import MlflowException

        for attempt in range(DATASET_ATTEMPTS):
            try:
                self._client.log_inputs(self.run_id, [dataset])
                return
            except MlflowException as error:
                if "IntegrityError" not in str(error) or attempt == DATASET_ATTEMPTS - 1:
                    raise

    def log_environment(self) -> None:
        """Log machine, load and versions."""
        self._client.log_dict(self.run_id, contents.environment(), "environment.json")

    def log_curves(self, curves: Mapping[str, list[dict[str, float]]]) -> None:
        """Log training curves: one point per epoch, `training/<metric>`."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        epochs = [epoch for stage in curves.values() for epoch in stage]  # epochs of a second training are numbered on
        points = [
            Metric(f"training/{name}", digits(value), now, number)
            for number, epoch in enumerate(epochs, 1)
            for name, value in epoch.items()
            if name != "epoch"
        ]
        if points:
            self._client.log_batch(self.run_id, metrics=points)

    def log_trial(self, trial: Mapping[str, Any]) -> None:
        """Log a trial of a search as a run nested in this one (see `pipeline.training.tuning.search`)."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        tags = {PARENT: self.run_id, "kind": "trial", "state": trial["state"]}
        start, name = now - int(trial["seconds"] * 1000), f"trial {trial['number']}"
        run_id = self._client.create_run(self._experiment_id, start_time=start, tags=tags, run_name=name).info.run_id
        metric = trial.get("metric", "accuracy")
        points = [
            Metric(f"training/validation_{metric}", value, now, epoch) for epoch, value in enumerate(trial["epochs"], 1)
        ]
        settings = [Param(key, f"{value:.6g}") for key, value in trial["settings"].items()]
        self._client.log_batch(run_id, [*points, Metric(f"search/validation_{metric}", trial["value"], now, 0)], settings)
        self._client.set_terminated(run_id, "FINISHED")

    def log_folder(self, folder: Path) -> None:
        """Log the files of a folder."""
        self._client.log_artifacts(self.run_id, str(folder))

    def log_report(self, report: Report, of_steps: Mapping[str, float]) -> None:
        """Log final metrics and tags, metrics of the steps, the profile, flips, classes, predictions and samples."""
        from mlflow.entities import Metric, RunTag

        now = int(time.time() * 1000)
        metrics = [
            Metric(key, value if key.startswith(("quality/", "validation/")) else digits(value), now, 0)
            for key, value in {**of_steps, **report.metrics()}.items()
        ]
        points = report.profile.points() if report.profile is not None else []
        metrics += [Metric(name, digits(value), now, x) for name, x, value in points]
        self._client.log_batch(self.run_id, metrics=metrics, tags=[RunTag(*tag) for tag in report.tags().items()])
        with tempfile.TemporaryDirectory() as folder:
            contents.write_blocks(report, Path(folder) / "blocks.parquet")
            contents.write_predictions(report.test, Path(folder) / PREDICTIONS["test"])
            contents.write_predictions(report.validation, Path(folder) / PREDICTIONS["validation"])
            contents.write_flips(report, Path(folder))
            contents.write_classes(report.test, report.optim, Path(folder))
            contents.write_latency(report, Path(folder) / "latency.parquet")
            self._client.log_artifacts(self.run_id, folder)

    def log_comparison(self, folder: Path, markdown: str) -> None:
        """Log the files of the comparison, and its table as the run's description."""
        self._client.log_artifacts(self.run_id, str(folder))
        self._client.set_tag(self.run_id, NOTE, fitting_note(markdown))

    def log_classifier(self, artifact: Path) -> None:
        """Log the artifact directory as `classifier/`."""
        self._client.log_artifacts(self.run_id, str(artifact), "classifier")


def digits(value: float) -> float:
    """Round to five significant digits, since MLflow's UI shows all digits."""
    return float(f"{value:.5g}")


def fitting_note(markdown: str) -> str:
    """A run's description that MLflow keeps whole: lines beyond its limit are left out, which the last line says."""
    if len(markdown) <= MAX_NOTE:
        return markdown
    kept = markdown[: MAX_NOTE - len(NOTE_CUT)]
    return kept[: max(0, kept.rfind("\n"))].rstrip() + NOTE_CUT
