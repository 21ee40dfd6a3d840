"""What can't work in any job of a sweep is told before the first job starts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands.configuration.compose import configs, parse_arguments
from pipeline.config import Config
from pipeline.data.sources import Files
from pipeline.deployment import publish
from pipeline.errors import ConfigError, OptimizationError, PublishError
from pipeline.sweep.check import check_jobs

STUDENT = ["optim=student_3l", "optim.steps.distill.depth=null"]
LAYERS = "optim.steps.distill.layers"


@pytest.fixture
def jobs(tiny: list[str]) -> Callable[..., list[Config]]:
    """The configurations of a sweep with the tiny backbone."""
    return lambda *overrides: [job.config for job in configs(parse_arguments(["-m", *overrides, *tiny]))]


def test_the_steps_of_all_jobs_are_checked_and_data_is_read_once_a_seed(
    jobs: Callable[..., list[Config]], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []
    load = Files.load

    def counted(files: Files, seed: int) -> Any:
        seeds.append(seed)
        return load(files, seed)

    monkeypatch.setattr(Files, "load", counted)
    check_jobs(jobs(*STUDENT, f"{LAYERS}=[0],[1]", "seed=1,2"))
    assert sorted(seeds) == [1, 2]
    found = jobs(*STUDENT, f"{LAYERS}=[0],[5]")
    with pytest.raises(OptimizationError, match=r"^optimization error: job student_3l: .*choose different ones of 0 to 1"):
        check_jobs(found)
    check_jobs(found, all_jobs_known=False)
    assert not (root / "stages").exists()


def test_what_can_not_be_published_is_told_before_the_first_job(
    jobs: Callable[..., list[Config]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "check", lambda repository: None)  # it asks the Hub
    with pytest.raises(PublishError, match=r"job bert_base_random: .*weights are random"):
        check_jobs(jobs("optim=baseline,bert_base_random", "publish.hub=ada/${optim.name}"))
    with pytest.raises(ConfigError, match="each job would overwrite"):
        check_jobs(jobs("optim=baseline,distilbert", "publish.hub=ada/same"))
