"""What can be known to be wrong with a configuration before any data is loaded and before a sweep's first job."""

from pipeline import machine, publish
from pipeline.backbone import fetch
from pipeline.config import Config
from pipeline.errors import ConfigError, nearest
from pipeline.optimize import check_order
from pipeline.rows import METRICS, OF_SOME
from pipeline.track import server


def check(config: Config) -> None:
    """Raises UserError: the order of steps, threads, objective, weights, the Hub, where results go."""
    check_order(config.optim, config.backbone)
    check_order(config.baseline, config.backbone, "baseline")
    allowed = machine.machine()["cores"]
    if config.measure.threads > allowed:
        raise ConfigError(f"measure.threads={config.measure.threads}: this machine allows {allowed}")
    sections = {known.partition("/")[0] for known in METRICS}
    if not config.objective:
        raise ConfigError("objective=[]: name at least one metric")
    for name in config.objective:
        section, slash, _ = name.partition("/")
        if name not in (*METRICS, *OF_SOME) and (not slash or section in sections):  # other sections are the steps' own
            raise ConfigError(f"objective={name}: no such metric{nearest(name, (*METRICS, *OF_SOME))}")
    fetch.check(config.backbone)
    server.check(config.track)
    publish.check(config.publish.hub)
