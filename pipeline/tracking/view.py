"""A prepared view of the MLflow UI: the important metrics as columns, and charts of the trade-off.

MLflow keeps shared views in an experiment tag whose format is not documented. If a version ignores the tag, its UI shows the
default view. Nothing else depends on it.
"""

import base64
import json
import os
import shlex
import time
import zlib
from pathlib import Path
from typing import Any

from pipeline.evaluation.metrics import CHART, LATENCY, VIEW, shown_in
from pipeline.tracking.server import Connection, page

KEY = "tradeoff"
LOCAL_UI = "http://127.0.0.1:5000"


def share(client: Any, experiment_id: str, quality: str) -> None:
    """Add the prepared view to the experiment; quality: the name of the one that ranks, see `metrics.HEADLINES`."""
    packed = base64.b64encode(zlib.compress(json.dumps(state(quality)).encode())).decode()
    now = int(time.time() * 1000)
    value = json.dumps({"name": "Trade-off", "createdAt": now, "updatedAt": now, "state": f"deflate;{packed}"})
    client.set_experiment_tag(experiment_id, f"mlflow.sharedViewState.{KEY}", value)


def address(connection: Connection, root: str, experiment_id: str) -> str:
    """How to open the prepared view: the command that starts the UI, if one is needed, and the address."""
    if not connection.local:
        return page(connection.uri, fragment=fragment(experiment_id))
    here = Path(root).resolve() == Path("mlruns").resolve() and Path("Makefile").exists()
    ui = "make ui" if here else f"python -m pipeline ui 5000 {shlex.quote(os.path.relpath(root))}"
    return f"{ui}, then {page(LOCAL_UI, fragment=fragment(experiment_id))}"


def fragment(experiment_id: str, charts: bool = False) -> str:
    """What follows # in the address of the prepared view, as a table or as charts."""
    mode = "&compareRunsMode=CHART" if charts else ""
    return f"/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={KEY}{mode}"


def _metric(key: str) -> dict[str, Any]:
    return {"key": key, "type": "METRIC"}


def state(quality: str) -> dict[str, Any]:
    """The state of the view in the format of MLflow's UI. The registry of metrics declares its columns and charts."""
    charts: list[dict[str, Any]] = [
        {
            "type": "SCATTER", "uuid": f"tradeoff-{x}", "runsCountToCompare": 100, "deleted": False, "isGenerated": False,
            "metricSectionId": "tradeoff", "xaxis": _metric(x), "yaxis": _metric(f"quality/{quality}"),
        }
        for x in (LATENCY, "size/mb")
    ]  # fmt: skip
    for key in (metric.key for metric in shown_in(CHART)):
        charts.append({
            "type": "BAR", "uuid": f"tradeoff-bar-{key}", "runsCountToCompare": 100, "deleted": False, "isGenerated": False,
            "metricSectionId": "tradeoff", "metricKey": key, "displayName": key,
        })  # fmt: skip
    columns = [f"metrics.`{name}`" for metric in shown_in(VIEW) for name in metric.shown_names]
    section = {
        "uuid": "tradeoff", "name": "Trade-off", "display": True, "isReordered": True,
        "deleted": False, "isGenerated": False,
    }  # fmt: skip
    return {
        "searchFilter": f"attributes.status = 'FINISHED' and metrics.`{LATENCY}` > 0",  # no noise runs
        "orderByKey": f"metrics.`{LATENCY}`",
        "orderByAsc": True,
        "selectedColumns": [*columns, "tags.`verdict`", "tags.`contended`"],
        "compareRunSections": [section],
        "compareRunCharts": charts,
        "isAccordionReordered": True,
        "autoRefreshEnabled": False,
        "chartsSearchFilter": "",
    }
