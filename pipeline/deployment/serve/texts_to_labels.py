"""The model that MLflow loads where a text may have several labels; see `texts_to_label.py`."""

from mlflow.models import set_model

from pipeline.deployment.serve.pyfunc import ArtifactModel, Predictions


class Model(ArtifactModel):
    """Texts, and any number of labels each."""

    def predict(self, model_input: list[str]) -> list[Predictions]:
        """One answer per text."""
        return self.answers(model_input, Predictions)


set_model(Model())
