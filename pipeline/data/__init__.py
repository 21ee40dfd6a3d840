"""Data: any source -> `Splits`, checked, with a content hash; texts stay in Arrow from the file to the tokenizer.

`sources.py` has the kinds of `conf/data/`, `tables.py` reads one file (`delimited.py` and `quotes.py` a CSV or TSV),
`columns.py` makes strings of its columns. `splits.py` turns these tables (`raw.py`) into `Splits`: `labels.py` and
`renaming.py`, `bad_rows.py`, `leaks.py`, `drawing.py` and `groups.py` are its verbs, `hints.py` tells what looks wrong.
`near_duplicates.py` counts texts that are nearly equal, `queries.py` reads texts to classify, `augmentation.py` changes
texts, `quickstart/` is the shipped data.
Not here: tokenization (`runtimes/`, `training/`).
"""
