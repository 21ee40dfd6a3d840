"""Selection: choose one of the candidates under constraints, with a reason for each one that is not chosen.

It is pure: it sees rows of metrics, but neither MLflow nor plots. `reporting/decision.py` puts a decision into words.
"""
