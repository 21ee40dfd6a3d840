"""`python -I back.py MODEL_URI TEXTS ANSWERS`: a registered model, loaded back in this fresh process, answers.

It is run as a script and imports nothing of this package, so that what answers is the code that was registered with the
model. TEXTS is a JSON file with a list of texts; what MLflow's pyfunc says of each is written to ANSWERS, as JSON, with the
place that the code came from. MLFLOW_TRACKING_URI says where the registry is.
"""

import json
import sys
from pathlib import Path

from mlflow.pyfunc import load_model


def main() -> None:
    """Load, answer, write."""
    uri, texts, answers = sys.argv[1:]
    said = load_model(uri).predict(json.loads(Path(texts).read_text(encoding="utf-8")))
    plain = [each if isinstance(each, dict) else each.model_dump() for each in said]
    code = str(sys.modules["pipeline"].__file__)
    Path(answers).write_text(json.dumps({"answers": plain, "code": code}), encoding="utf-8")


if __name__ == "__main__":
    main()
