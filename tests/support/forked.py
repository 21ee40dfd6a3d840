"""Jobs in processes of their own that start at once, to be killed: forked from a server that has imported the libraries.

It is imported in each of them, so it imports nothing slow.
"""

import multiprocessing
import sys
import tempfile
from multiprocessing.process import BaseProcess
from typing import Any

from pipeline.config import Config
from pipeline.sweep.process import LONGEST_TMPDIR, PRELOADED


def start(config: Config) -> BaseProcess:
    """Start a job."""
    forked = sys.platform == "linux" and len(tempfile.gettempdir()) <= LONGEST_TMPDIR
    context: Any = multiprocessing.get_context("forkserver" if forked else "spawn")
    if forked:
        context.set_forkserver_preload(PRELOADED)
    process: BaseProcess = context.Process(target=_run, args=(config,))
    process.start()
    return process


def _run(config: Config) -> None:
    from pipeline.run import run

    run(config)
