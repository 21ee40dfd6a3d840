"""What the models that MLflow loads have in common: `model.py` for texts, `pair_model.py` for pairs of texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydantic
from mlflow.pyfunc import PythonModel

from pipeline.deployment.serve.answers import Answerer
from pipeline.tasks.inputs import Input


class Prediction(pydantic.BaseModel):
    """The answer to one text, or pair of texts."""

    label: str
    score: float
    abstained: bool


class ArtifactModel(PythonModel):  # type: ignore[misc]  # MLflow is not typed
    """An artifact directory as a pyfunc; a subclass has `predict`, whose types are the signature."""

    def load_context(self, context: Any) -> None:
        """Load the classifier with the number of threads of the measurement."""
        settings = context.model_config or {}
        artifact = Path(context.artifacts["classifier"])
        self._answer = Answerer(artifact, int(settings["threads"]), int(settings["batch_size"]))

    def answers(self, given: Sequence[Input]) -> list[Prediction]:
        """One answer per input."""
        return [Prediction(**answer._asdict()) for answer in self._answer(given)]
