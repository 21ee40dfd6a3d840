"""Quality: accuracy, F1 and out-of-scope metrics from predictions, and the comparison of candidate and baseline.

NumPy and SciPy only; what is counted is declared by the tasks (`pipeline/tasks/`). It sees neither a model nor MLflow.
"""
