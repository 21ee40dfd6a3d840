"""The kinds of table that are read, by their suffixes. Importing this is cheap."""

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = {".jsonl", ".ndjson", ".json"}
PARQUET = {".parquet", ".pq"}
TABLES = {*DELIMITERS, *JSON_LINES, *PARQUET}
