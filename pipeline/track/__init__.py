"""Tracking: everything that MLflow is told and asked. No other part of the program imports mlflow.

server.py    where results go: SQLite under mlruns/, or a server; reachable and of the right version
runs.py      runs: start, end with the right status; find comparable ones
run.py       one run under way: what is logged of it
sweeps.py    the run that the runs of a sweep are nested in, and their right ends
contents.py  what a run holds: tables as Parquet, the machine and the versions
view.py      the prepared view of the MLflow UI
"""
