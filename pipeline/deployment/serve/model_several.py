"""The model that MLflow loads where a text may have several labels; see `model.py`."""

from pathlib import Path
from typing import Any

import pydantic
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from pipeline.deployment.serve.answers import Answerer


class Predictions(pydantic.BaseModel):
    """The answer to one text: its labels, the most probable first."""

    labels: list[str]
    scores: list[float]


class TextClassifier(PythonModel):  # type: ignore[misc]  # MLflow is not typed
    """An artifact directory as a pyfunc."""

    def load_context(self, context: Any) -> None:
        """Load the classifier with the number of threads of the measurement."""
        settings = context.model_config or {}
        artifact = Path(context.artifacts["classifier"])
        self._answer = Answerer(artifact, int(settings["threads"]), int(settings["batch_size"]))

    def predict(self, model_input: list[str]) -> list[Predictions]:
        """One answer per text."""
        return [Predictions(**answer._asdict()) for answer in self._answer(list(model_input))]


set_model(TextClassifier())
