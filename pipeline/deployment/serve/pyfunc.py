"""What the models that MLflow loads have in common. There is one file for each task, because types are the signature.

`texts_to_label.py`, `pairs_to_label.py`, `texts_to_labels.py`, `pairs_to_labels.py`: see `pipeline.tasks.Task.service`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic
from mlflow.pyfunc import PythonModel

from pipeline.deployment.serve.answers import Answerer
from pipeline.tasks.inputs import Input


class Pair(pydantic.BaseModel):
    """Two texts, by the names that transformers gives them."""

    text: str
    text_pair: str


class Prediction(pydantic.BaseModel):
    """The answer to one text, or pair of texts."""

    label: str
    score: float
    abstained: bool


class Predictions(pydantic.BaseModel):
    """The answer where a text may have several labels: the most probable first."""

    labels: list[str]
    scores: list[float]


Form = TypeVar("Form", bound=pydantic.BaseModel)


class ArtifactModel(PythonModel):  # type: ignore[misc]  # MLflow is not typed
    """An artifact directory as a pyfunc; a subclass has `predict`, whose types are the signature."""

    def load_context(self, context: Any) -> None:
        """Load the classifier with the number of threads of the measurement."""
        settings = context.model_config or {}
        artifact = Path(context.artifacts["classifier"])
        self._answer = Answerer(artifact, int(settings["threads"]), int(settings["batch_size"]))

    def answers(self, given: Sequence[Input], form: type[Form]) -> list[Form]:
        """One answer per input."""
        return [form(**answer._asdict()) for answer in self._answer(given)]


def inputs(pairs: Sequence[Pair]) -> list[Input]:
    """The pairs as a classifier takes them."""
    return [(pair.text, pair.text_pair) for pair in pairs]
