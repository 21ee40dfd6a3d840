"""Candidate against baseline on the very same queries: how quality differs, how surely, and which queries flip.

    figures.py      quality as sums over queries, so that it can be had of many resamples at once
    intervals.py    intervals and tests of paired proportions; the bootstrap
    compare.py      `PairedQuality`: the differences of all figures, what a gate asks of them
    flips.py        agreement, flips in both directions, by class; the queries themselves
    calibration.py  how far scores are from shares that are right

NumPy and SciPy only: no model, no MLflow.
"""
