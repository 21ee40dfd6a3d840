"""The model that MLflow loads where the inputs are pairs of texts: MLflow runs this file, so nothing is pickled.

mlflow models serve -m models:/NAME@champion --env-manager local
curl 127.0.0.1:5000/invocations -H 'Content-Type: application/json' -d '{"inputs": [{"text": "a", "text_pair": "b"}]}'
"""

import pydantic
from mlflow.models import set_model

from pipeline.deployment.serve.pyfunc import ArtifactModel, Prediction


class Pair(pydantic.BaseModel):
    """Two texts, by the names that transformers gives them."""

    text: str
    text_pair: str


class PairClassifier(ArtifactModel):
    """Its inputs are pairs of texts."""

    def predict(self, model_input: list[Pair]) -> list[Prediction]:
        """One answer per pair."""
        return self.answers([(pair.text, pair.text_pair) for pair in model_input])


set_model(PairClassifier())
