"""`python -I load_back.py MODEL_URI TEXTS ANSWERS`: loads a registered model and writes its answers.

It runs as a script and imports nothing of this package, so that the code registered with the model answers. TEXTS is a JSON
file with a list of texts, or of pairs as objects. ANSWERS, also JSON, gets the answers of MLflow's pyfunc and the path of
the code that was used. MLFLOW_TRACKING_URI names the registry.
"""

import inspect
import json
import sys
from pathlib import Path

from mlflow.pyfunc import load_model


def main() -> None:
    """Load the model, predict, write."""
    uri, texts, answers = sys.argv[1:]
    model = load_model(uri)
    predictions = model.predict(json.loads(Path(texts).read_text(encoding="utf-8")))
    plain = [each if isinstance(each, dict) else each.model_dump() for each in predictions]
    code = inspect.getfile(type(model.unwrap_python_model()).__bases__[0])  # its own class is a copy beside the model
    Path(answers).write_text(json.dumps({"answers": plain, "code": code}), encoding="utf-8")


if __name__ == "__main__":
    main()
