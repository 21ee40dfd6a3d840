"""The decision: which optimization to ship, why every other is rejected, its registration, the way back.

    candidate.py   an optimization as the evidence shows it: its runs, one a seed, each figure with its bounds
    evidence.py    the runs that a decision may rest on, from MLflow; whether they compare
    limits.py      budget -> which bounds a candidate fails, in words
    choose.py      Pareto front, preference, no ranking inside the noise
    decision.py    what was decided, as JSON and as a page
    ship.py        registered, loaded back, checked, and only then the champion
    __main__.py    `python -m pipeline.decide`

`python -m pipeline.rollback` makes the champion before this one the champion again.
"""
