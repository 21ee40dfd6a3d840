"""Parquet files, with the names of classes that the library `datasets` wrote into them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.data.columns import name_classes, rows_of
from pipeline.data.file_table import SAMPLE_ROWS, FileTable, require
from pipeline.errors import DataError


def read(path: Path, wanted: Mapping[str, str]) -> FileTable:
    """The wanted columns; classes as their names. Raises DataError if it is no Parquet file or a column is missing."""
    import pyarrow.parquet as parquet

    try:
        schema = parquet.read_schema(path)
        require(path, schema.names, wanted, _first_rows(path))
        table = parquet.read_table(path, columns=list(wanted))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        raise DataError(f"{path}: can't be read as parquet: {error}") from error
    for column in wanted:
        names = _class_names(schema, column)
        if names is not None:
            table = name_classes(table, column, names, str(path))
    found = f"{table.num_rows} rows; Parquet"
    return FileTable(table, tuple(schema.names), rows_of(str(path)), found=(found,))


def _first_rows(path: Path) -> Iterator[list[Any]]:
    import pyarrow.parquet as parquet

    first = next(parquet.ParquetFile(path).iter_batches(SAMPLE_ROWS), None)
    for row in first.to_pylist() if first is not None else ():
        yield list(row.values())


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names of a column's classes where the library `datasets` wrote them into the schema; else None."""
    try:
        feature = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][column]
        while feature["_type"] in ("List", "LargeList", "Sequence"):
            feature = feature["feature"]
        return list(feature["names"]) if feature["_type"] == "ClassLabel" else None
    except (KeyError, TypeError, ValueError):
        return None
