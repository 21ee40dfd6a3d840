"""The model that MLflow loads where a pair of texts may have several labels; see `pairs_to_label.py`."""

from mlflow.models import set_model

from pipeline.deployment.serve.pyfunc import ArtifactModel, Pair, Predictions, inputs


class Model(ArtifactModel):
    """Pairs of texts, and any number of labels each."""

    def predict(self, model_input: list[Pair]) -> list[Predictions]:
        """One answer per pair."""
        return self.answers(inputs(model_input), Predictions)


set_model(Model())
