"""All labels that are probable enough."""

from typing import Any

import numpy as np


def answers(logits: np.ndarray, told: dict[str, Any]) -> list[dict[str, Any]]:
    """The labels whose probability reaches their threshold, the most probable first."""
    rule, found = told["decision"] or {"temperature": 1.0, "thresholds": [0.5]}, []
    for scores in 1 / (1 + np.exp(-logits.astype(np.float64) / rule["temperature"])):
        rows = np.flatnonzero(scores >= np.array(rule["thresholds"]))
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        found.append({"labels": [told["labels"][row] for row in rows], "scores": scores[rows].tolist()})
    return found
