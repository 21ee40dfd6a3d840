"""Quality on the test split, through `evaluate`'s Metric API: no script is fetched, so it works offline.

`import evaluate` takes seconds; import this module inside the job only.
"""

from typing import Any

import datasets
import evaluate
import numpy as np
from sklearn.metrics import f1_score

from pipeline.tasks.single_label import parts

_DESCRIPTION = "Accuracy, macro F1 and, where the data has an out-of-scope label, how in-scope and out-of-scope texts fare."


class Quality(evaluate.Metric):  # type: ignore[misc]  # evaluate is not typed
    """`compute(predictions=, references=, oos=)` on label indices; all results are shares from 0 to 1.

    accuracy; f1_macro over the labels that occur in truth or prediction; with `oos` (an index) also in_scope_accuracy (of
    the in-scope texts, those with the right intent), oos_recall (of the out-of-scope texts, those recognised) and
    oos_precision (of the texts called out-of-scope, those that are), as in Larson et al. 2019. A metric that no text
    counts for is left out.
    """

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(description=_DESCRIPTION, citation="", features=features)

    def _compute(self, predictions: Any, references: Any, oos: int | None) -> dict[str, float]:
        predicted, truth = np.asarray(predictions), np.asarray(references)
        right = predicted == truth
        f1 = f1_score(truth, predicted, average="macro", zero_division=0)
        masks = parts(truth, predicted, oos)
        shares = {name: float(right[chosen].mean()) for name, chosen in masks.items() if chosen.any()}
        return shares | {"f1_macro": float(f1)}


def quality_of(predicted: np.ndarray, truth: np.ndarray, oos: int | None) -> dict[str, float]:
    """The metrics of `Quality` for label indices, both int64 (n,)."""
    metric = Quality(keep_in_memory=True)
    result = metric.compute(predictions=predicted, references=truth, oos=oos)
    return dict(result or {})
