"""The Pareto front of small students: depth, width, vocabulary, rank, bits and decision rule, searched together.

space.py      the settings to choose from -> an optimization
walk.py       the search, with Optuna, on the validation split; each trial through the store, so nothing is trained twice
plot.py       what was tried, and the front
__main__.py   `python -m pipeline.frontier`
"""
