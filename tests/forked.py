"""Jobs in processes of their own that start at once, to be killed: forked from a server that has imported the libraries.

It is imported in each of them, so it imports nothing slow.
"""

import multiprocessing
from multiprocessing.process import BaseProcess

from pipeline.config import Config
from pipeline.sweep.process import PRELOADED


def start(config: Config) -> BaseProcess:
    """Start a job."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_run, args=(config,))
    process.start()
    return process


def _run(config: Config) -> None:
    from pipeline.run import run

    run(config)
