"""The names of a fine-tuned checkpoint's outputs, and their place among the labels of the data.

transformers calls outputs without a name LABEL_0, LABEL_1 and so on.
"""

import functools
import logging
import re
from collections.abc import Sequence
from pathlib import Path

from pipeline.config import Backbone
from pipeline.data.splits import Splits
from pipeline.errors import BackboneError, nearest
from pipeline.models import folders
from pipeline.models.checkpoints import locate, weights_of

log = logging.getLogger(__name__)
UNNAMED = re.compile(r"LABEL_\d+")


def names_of(directory: Path, outputs: Sequence[str], labels: Sequence[str], given: Sequence[str] = ()) -> list[str]:
    """A name for each output of a checkpoint: its own; where it has none those `given`, or the labels in their order.

    given: `data.label_names`. Says which were taken. Raises BackboneError where names are missing, too many or twice.
    """
    unnamed = all(UNNAMED.fullmatch(name) for name in outputs) and not {*labels} <= {*outputs}
    names = list(outputs) if not unnamed else list(given) or list(labels)
    if len(names) != len(outputs):
        which = f"data.label_names has {len(given)}" if given else f"the data has {len(labels)} labels"
        raise BackboneError(
            f"{directory}: the checkpoint's {len(outputs)} outputs are called {outputs[0]}, ..., and {which}; name them in "
            "their order with data.label_names=[...]"
        )
    if len({*names}) < len(names):
        raise BackboneError(f"{directory}: two of its labels have the same name")
    if unnamed and not given:
        pairs = ", ".join(f"{output} is {name!r}" for output, name in zip(outputs[:6], names, strict=False))
        more = ", ..." if len(names) > 6 else ""
        _warn(
            f"{directory}: the checkpoint's labels have no names, so they are those of the data in order: {pairs}{more}; "
            "data.label_names=[...] says otherwise"
        )
    return names


@functools.cache
def _warn(line: str) -> None:
    log.warning("warning: %s", line)


def places(directory: Path, names: Sequence[str], labels: Sequence[str]) -> list[int]:
    """The output of each label. Raises BackboneError where labels and names are not the same, in any order."""
    missing = [label for label in labels if label not in names]
    if missing:
        numbers = all(label.isdecimal() for label in labels)
        ways = [f"data.label_names=[{','.join(names)}] where the data's numbers are their places"] if numbers else []
        ways += ["data.rename_labels=FILE renames those of the data", "backbone.finetuned=false trains a new head"]
        raise BackboneError(
            f"{directory}: the checkpoint has no label {missing[0]!r}, the data has "
            f"({len(missing)} of {len(labels)} differ){nearest(missing[0], names)}; {', '.join(ways)}"
        )
    extra = [name for name in names if name not in labels]
    if extra:
        raise BackboneError(f"{directory}: the checkpoint has labels that the data lacks: {', '.join(extra[:5])}")
    return [names.index(label) for label in labels]


def with_those_of_the_checkpoint(backbone: Backbone, splits: Splits) -> Splits:
    """The splits with the labels that a fine-tuned teacher has and the data lacks: they stay possible answers.

    Raises BackboneError for a checkpoint that is missing or can't be used.
    """
    weights = weights_of(backbone, "teacher")
    if not weights.finetuned:
        return splits
    directory = locate(weights, "teacher")
    names = names_of(directory, folders.look(directory).outputs, splits.labels, splits.label_names)
    more = [name for name in names if name not in splits.labels]
    if not more or not {*splits.labels} & {*names}:
        return splits  # with other labels throughout, it is refused when it is read
    shown = ", ".join(more[:5]) + (", ..." if len(more) > 5 else "")
    what = f"{len(more)} of the checkpoint's {len(names)} labels have no text in the data and stay possible answers"
    note = f"{what}: {shown}"
    log.info("%s", note)
    return splits.with_labels(more, note)
