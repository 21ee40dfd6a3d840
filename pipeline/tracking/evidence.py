"""The files of a run that tell text by text and pair by pair how it did; decisions compare runs with them."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from pipeline.data.label_lists import are_lists, flat
from pipeline.errors import TrackError
from pipeline.evaluation.evidence import Answered, Evidence, from_calls
from pipeline.tracking.contents import PREDICTIONS, inputs_in

CALLS = "latency.parquet"


def evidence_of(client: Any, run_id: str) -> Evidence:
    """The evidence of a finished run; what it has no file for, because it is older, is empty.

    Raises TrackError if a file can't be read.
    """
    try:
        names = {item.path for item in client.list_artifacts(run_id)}
        calls = _table(client, run_id, CALLS, ["who", "pair", "ms"]) if CALLS in names else None
        answered = {split: _answered(client, run_id, name) if name in names else None for split, name in PREDICTIONS.items()}
    except Exception as error:  # errors of MLflow and Arrow; OSError for a missing file
        raise TrackError(f"the files of run {run_id} can't be read ({type(error).__name__}); run it again") from error
    found = Evidence()
    if calls is not None:
        found = from_calls(*(calls[name].to_numpy() for name in ("who", "pair", "ms")))
    validation = answered["validation"]
    if validation is not None:
        found = replace(
            found, texts=validation.texts, right=validation.right, baseline_right=validation.baseline,
            outside=validation.outside, parts=validation.parts, labels=validation.labels, recalled=validation.recalled,
            baseline_recalled=validation.baseline_recalled,
        )  # fmt: skip
    return replace(found, test=answered["test"])


def _answered(client: Any, run_id: str, name: str) -> Answered:
    table = _table(client, run_id, name)
    before, outside = (
        table[name].to_numpy() if name in table.column_names else None for name in ("baseline_correct", "out_of_scope")
    )
    parts = np.array(table["parts"].to_pylist()) if "parts" in table.column_names else None
    labels, *recalled = (_listed(table, name) for name in ("label", "recalled", "baseline_recalled"))
    if are_lists(table["label"].type) and recalled[0] is None:  # an older run
        labels = None
    return Answered(tuple(inputs_in(table)), table["correct"].to_numpy(), before, outside, parts, labels, *recalled)


def _listed(table: pa.Table, name: str) -> np.ndarray | None:
    """A column, of lists their values one after the other; None where there is none."""
    return np.array(flat(table[name]).to_pylist()) if name in table.column_names else None


def _table(client: Any, run_id: str, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    with tempfile.TemporaryDirectory() as folder:
        return parquet.read_table(client.download_artifacts(run_id, name, folder), columns=columns and list(columns))
