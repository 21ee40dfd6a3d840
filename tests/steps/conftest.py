"""What the tests of steps share."""

from pathlib import Path

import pytest
from filelock import FileLock

from tests.support.tasks import Maker


@pytest.fixture(scope="session")
def maker(tmp_path_factory: pytest.TempPathFactory, ready_database: Path, worker_id: str) -> Maker:
    """Makes classifiers of several labels and of pairs, in one place for all processes that run tests."""
    base = tmp_path_factory.getbasetemp()
    made = Maker((base if worker_id == "master" else base.parent) / "tasks")
    with FileLock(f"{made.folder}.lock"):
        if not made.folder.exists():
            made.prepare(ready_database)
    return made
