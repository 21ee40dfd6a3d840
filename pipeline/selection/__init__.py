"""Selection: candidates and constraints become a choice, with a reason for each that is not chosen.

Pure: it sees rows of metrics, and neither MLflow nor a plot. Not here: how a decision reads (`reporting/decision.py`).
"""
