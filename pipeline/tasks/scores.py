"""Quality of predictions, through `evaluate`'s Metric API. It downloads no script, so it works offline.

`import evaluate` takes seconds, so only import this module inside the job.
"""

from typing import Any

import datasets
import evaluate
import numpy as np
from sklearn.metrics import f1_score, recall_score

from pipeline.tasks.weighted import parts

_DESCRIPTION = (
    "Accuracy, macro F1, balanced accuracy and, where the data has an out-of-scope label, metrics of in-scope and "
    "out-of-scope texts."
)


class Quality(evaluate.Metric):  # type: ignore[misc]  # evaluate is not typed
    """`compute(predictions=, references=, oos=)` on label indices; all results are shares from 0 to 1.

    It returns accuracy, f1_macro over the labels that occur in truth or predictions, and balanced_accuracy, the mean recall
    over the labels that occur in truth. With `oos` (an index) it also
    returns, as in Larson et al. 2019, in_scope_accuracy (the share of in-scope texts with the right intent), oos_recall (the
    share of out-of-scope texts that are recognised) and oos_precision (the share of texts answered as out of scope that
    are). A metric without any text is left out.
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
        balanced = recall_score(truth, predicted, labels=np.unique(truth), average="macro")
        return shares | {"f1_macro": float(f1), "balanced_accuracy": float(balanced)}


def quality_of(predicted: np.ndarray, truth: np.ndarray, oos: int | None) -> dict[str, float]:
    """The metrics of `Quality` for label indices, both int64 (n,)."""
    metric = Quality(keep_in_memory=True)
    result = metric.compute(predictions=predicted, references=truth, oos=oos)
    return dict(result or {})
