"""The process of a job: forked where a server's socket has room for its path, else a new interpreter."""

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.sweep.process import MAX_TMPDIR_LENGTH, run_in_process
from pipeline.system.processes import this_process


def tell(file: str) -> None:
    """Write what this process is, and exit with 3."""
    Path(file).write_text(json.dumps([os.getpid(), "pipeline.run" in sys.modules]), encoding="utf-8")
    sys.exit(3)


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, MAX_TMPDIR_LENGTH])
def test_a_job_has_a_process_of_its_own_whose_exit_code_is_told(
    length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if length:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * length)))
        (tmp_path / ("x" * length)).mkdir()
    forked = sys.platform == "linux" and len(tempfile.gettempdir()) <= MAX_TMPDIR_LENGTH
    assert forked is (sys.platform == "linux" and not length)
    assert run_in_process(this_process(), tell, str(tmp_path / "told.json")) == 3
    process, imported = json.loads((tmp_path / "told.json").read_text())
    assert process != os.getpid() and imported is forked
