"""Tasks: what goes in and what comes out; how logits become an answer, the loss, and what each metric counts.

`base.py` says what a task must have, `single_label.py` and `multi_label.py` are what can come out, `inputs.py` what can go
in. `decision_rule.py` and `thresholds.py` are their decision rules, `weighted.py`, `scores.py`, `class_scores.py` and
`label_metrics.py` their metrics, `losses.py` their losses, `regression.py` their linear classifiers.
Not here: how a network computes its logits (`runtimes/`), and how metrics of quality get
their intervals (`evaluation/`).
"""

from pipeline.tasks.base import Task as Task
from pipeline.tasks.multi_label import MultiLabel as MultiLabel
from pipeline.tasks.single_label import SingleLabel as SingleLabel

SINGLE_LABEL = SingleLabel()
TASKS: dict[str, Task] = {
    task.name: task for task in (SINGLE_LABEL, MultiLabel(), SingleLabel(pairs=True), MultiLabel(pairs=True))
}


def task_of(name: str) -> Task:
    """A task by its name. Raises ValueError for an unknown one."""
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}, not one of {', '.join(TASKS)}")
    return TASKS[name]
