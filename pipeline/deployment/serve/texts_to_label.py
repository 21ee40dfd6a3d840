"""The model that MLflow loads: MLflow runs this file, so nothing is pickled.

mlflow models serve -m models:/NAME@champion --env-manager local
curl 127.0.0.1:5000/invocations -H 'Content-Type: application/json' -d '{"inputs": ["a text"]}'
"""

from mlflow.models import set_model

from pipeline.deployment.serve.pyfunc import ArtifactModel, Prediction


class Model(ArtifactModel):
    """Texts, and one label each."""

    def predict(self, model_input: list[str]) -> list[Prediction]:
        """One answer per text."""
        return self.answers(model_input, Prediction)


set_model(Model())
