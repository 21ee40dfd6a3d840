"""Quality: predictions become accuracy, F1 and out-of-scope metrics; candidate against baseline on the same texts.

NumPy and SciPy only, but for `scores.py`: no model, no MLflow.
"""
