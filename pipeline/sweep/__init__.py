"""Sweeps: Hydra chooses and launches the jobs; this room runs each in its own process and sums up the sweep at the end.

Hydra's basic sweeper knows all jobs from the start. With it, a job only makes its artifact; when all are made, the sweep's
process measures them one after the other. A sweeper that chooses jobs as it goes needs the objective of each, so there a job
is made and measured at once. Jobs and the sweep communicate through files (`record.py`), so any launcher can run the jobs,
and the same command continues an interrupted sweep.
"""
