"""Data: any source -> `Splits`, checked, with a content hash; texts stay in Arrow from the file to the tokenizer.

`sources.py` has the kinds of `conf/data/`, `tables.py` reads one file (`delimited.py` and `quotes.py` a CSV or TSV),
`columns.py` makes strings of its columns, `splits.py` checks them and draws missing splits (`drawing.py`), `hints.py` tells
what looks wrong, `queries.py` reads texts to classify, `augmentation.py` changes texts, `quickstart/` is the shipped data.
Not here: tokenization (`runtimes/`, `training/`).
"""
