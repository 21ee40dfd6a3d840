"""Data: any source -> `Splits`, checked, with a content hash; texts stay in Arrow from the file to the tokenizer.

`sources.py` has the kinds of `conf/data/`. `tables.py` reads files: `content.py` decodes them, `delimited.py` (with
`dialect.py`, `header.py`, `quotes.py`), `json_records.py`, `parquet.py` and `workbook.py` read one kind each, `columns.py`
makes strings of columns. `splits.py` turns these tables (`raw.py`) into `Splits`: `labels.py` and `renaming.py`,
`bad_rows.py`, `leaks.py`, `drawing.py` and `groups.py` are its verbs, `row_counts.py` counts what they do, `hints.py` tells
what looks wrong.
`near_duplicates.py` counts texts that are nearly equal, `queries.py` reads texts to classify, `augmentation.py` changes
texts, `quickstart/` is the shipped data set.
Not here: tokenization (`runtimes/`, `training/`).
"""
