"""The model that MLflow loads: MLflow runs this file, so nothing is pickled.

mlflow models serve -m models:/NAME@champion --env-manager local
curl 127.0.0.1:5000/invocations -H 'Content-Type: application/json' -d '{"inputs": ["a text"]}'
"""

from pathlib import Path
from typing import Any

import pydantic
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from pipeline.deployment.serve.answers import Answerer


class Prediction(pydantic.BaseModel):
    """The answer to one text."""

    label: str
    score: float
    abstained: bool


class TextClassifier(PythonModel):  # type: ignore[misc]  # MLflow is not typed
    """An artifact directory as a pyfunc."""

    def load_context(self, context: Any) -> None:
        """Load the classifier with the number of threads of the measurement."""
        settings = context.model_config or {}
        artifact = Path(context.artifacts["classifier"])
        self._answer = Answerer(artifact, int(settings["threads"]), int(settings["batch_size"]))

    def predict(self, model_input: list[str]) -> list[Prediction]:
        """One answer per text."""
        return [Prediction(**answer._asdict()) for answer in self._answer(list(model_input))]


set_model(TextClassifier())
