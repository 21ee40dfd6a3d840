"""Measuring: an artifact directory becomes a `Report`: size, paired latencies, quality, with intervals.

Not here: Hydra's configuration, MLflow, tables and plots. This file imports nothing, so that a worker process starts fast.
"""
