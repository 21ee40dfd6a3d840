"""The model that MLflow loads where the inputs are pairs of texts: MLflow runs this file, so nothing is pickled.

mlflow models serve -m models:/NAME@champion --env-manager local
curl 127.0.0.1:5000/invocations -H 'Content-Type: application/json' -d '{"inputs": [{"text": "a", "text_pair": "b"}]}'
"""

from mlflow.models import set_model

from pipeline.deployment.serve.pyfunc import ArtifactModel, Pair, Prediction, inputs


class Model(ArtifactModel):
    """Pairs of texts, and one label each."""

    def predict(self, model_input: list[Pair]) -> list[Prediction]:
        """One answer per pair."""
        return self.answers(inputs(model_input), Prediction)


set_model(Model())
