"""Data: any source -> `Splits`, checked, with a content hash; texts stay in Arrow from the file to the tokenizer.

`sources.py` has the kinds of `conf/data/`, `tables.py` reads one file, `splits.py` checks them and draws missing splits,
`augmentation.py` changes texts, `quickstart/` is the shipped data set. Not here: tokenization (`runtimes/`, `training/`).
"""
