"""Data: any source -> `Splits`, checked.

    sources.py   the kinds of `conf/data/`: quickstart, clinc150, files, hub; `load()` is each one's only method
    tables.py    one CSV, TSV, JSON lines or Parquet file -> an Arrow table of texts and labels
    splits.py    `Splits`, the checks, the stratified cut, the content hash
    quickstart/  the shipped data set and how it was written

Texts stay in Arrow from the file to the tokenizer: a million rows never become a million Python objects.
"""
