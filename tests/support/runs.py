"""What MLflow has of a test's runs, and one optimization made without measuring."""

from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from pipeline.config import Config
from pipeline.steps.execute import StepsResult, run_steps
from pipeline.tracking.job import prepare
from pipeline.tracking.server import database_uri


def runs_of(root: Path, experiment: str = "toy/tiny") -> list[Any]:
    """MLflow's runs, from the first to the last."""
    client = MlflowClient(database_uri(root))
    known = client.get_experiment_by_name(experiment)
    return list(client.search_runs([known.experiment_id], order_by=["attributes.start_time"]))


def quiet(root: Path) -> None:
    """Forget that other work ran beside the measurements: tests run on busy machines too."""
    client = MlflowClient(database_uri(root))
    for each in runs_of(root):
        if "contended" in each.data.tags:
            client.delete_tag(each.info.run_id, "contended")


def made(config: Config) -> StepsResult:
    """The artifact, made but not measured."""
    job = prepare(config)
    return run_steps(config.optim, job.context, job.store)
