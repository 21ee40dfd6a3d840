"""Quality: accuracy, F1 and out-of-scope metrics from predictions, and the comparison of candidate and baseline.

NumPy and SciPy only, except in `scores.py`. It sees neither a model nor MLflow.
"""
