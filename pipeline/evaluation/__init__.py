"""Measuring: an artifact directory becomes a `Report` with size, paired latencies and quality, and confidence intervals.

Hydra's configuration, MLflow, tables and plots are in other rooms. This file imports nothing, so a worker starts fast.
"""

MEASURING_VERSION = 2  # raised when a number gets another meaning: older measurements are then neither reused nor compared
