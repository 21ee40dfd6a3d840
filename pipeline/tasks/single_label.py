"""The task "single_label": a text gets one label of several; one of the labels may mean "out of scope"."""

import numpy as np

NAME = "single_label"
TEXT, LABEL = "text", "label"  # the columns of a split: a string, and an index into the labels
PROBLEM_TYPE = "single_label_classification"  # transformers' name of the task; it decides about loss and scores


def answer(logits: np.ndarray) -> np.ndarray:
    """The label with the largest logit, which is the answer where no decision rule was fitted.

    logits: float (n, labels). Returns indices of labels, int64 (n,).
    """
    labels: np.ndarray = logits.argmax(axis=-1)
    return labels


def out_of_scope(truth: np.ndarray, oos: int | None) -> np.ndarray:
    """Which texts are out of scope: bool (n,). truth: int64 (n,); oos: the index of that label, None where there is none."""
    return np.zeros(len(truth), dtype=bool) if oos is None else truth == oos


def fixed_parts(truth: np.ndarray, oos: int | None) -> dict[str, np.ndarray]:
    """For each metric that is a share of right answers among texts that no answer decides: these texts, bool (n,).

    truth: int64 (n,), indices of labels; oos: the index of the out-of-scope label, None where there is none. The metrics are
    those of Larson et al. 2019: accuracy of all texts, in_scope_accuracy and oos_recall of those in and out of scope.
    """
    found = {"accuracy": np.ones(len(truth), dtype=bool)}
    if oos is None:
        return found
    outside = out_of_scope(truth, oos)
    return found | {"in_scope_accuracy": ~outside, "oos_recall": outside}


def parts(truth: np.ndarray, predicted: np.ndarray, oos: int | None) -> dict[str, np.ndarray]:
    """The same, and oos_precision: of the texts that were answered as out of scope. predicted: int64 (n,)."""
    found = fixed_parts(truth, oos)
    return found if oos is None else found | {"oos_precision": predicted == oos}
