"""Find out why a classifier is not faster: one page of findings, each with advice.

python -m pipeline doctor distillation_onnx_int8                  the newest run of an optimization
python -m pipeline doctor distillation_onnx_int8 data=clinc150    in another experiment
python -m pipeline doctor RUN_ID                                  a run, by its id in MLflow

The page is also logged as doctor.md with the run. Other settings are those of python -m pipeline.
"""

import os
from collections.abc import Sequence

from pipeline.commands.configuration.compose import one_config
from pipeline.commands.configuration.renamed import renamed_choice
from pipeline.errors import ConfigError


def main(arguments: Sequence[str]) -> None:
    """Takes a run id or the name of an optimization, then the overrides of a run."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):  # use only what is downloaded already
        os.environ[name] = "1"
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler logs its start and stop
    if not arguments or "=" in arguments[0] or arguments[0].startswith("-"):
        raise ConfigError("name a run or an optimization first: python -m pipeline doctor distillation_onnx_int8")
    new = renamed_choice("optim", arguments[0])
    if new is not None:
        raise ConfigError(f"{arguments[0]} is called {new} now")
    config = one_config(arguments[1:])
    from pipeline.tracking.diagnosis import diagnose

    page, run_id = diagnose(arguments[0], config)
    print(f"{page.plain()}\n\nlogged as doctor.md with run {run_id}")
