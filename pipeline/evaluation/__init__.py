"""Measuring: an artifact directory becomes a `Report` with size, paired latencies and quality, and confidence intervals.

Hydra's configuration, MLflow, tables and plots are in other rooms. This file imports nothing, so a worker starts fast.
"""

# Raised when a number gets another meaning, or when comparisons need what older runs have not logged: older measurements
# are then neither reused nor compared.
MEASURING_VERSION = 3
