"""A network in OpenVINO."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def network(folder: Path, threads: int) -> Callable[..., Any]:
    """What makes logits of token ids, mask and maybe token types."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    precision = json.loads((folder / "openvino.json").read_text(encoding="utf-8"))["precision"]
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": precision}
    request = openvino.Core().compile_model(folder / "model.xml", "CPU", settings).create_infer_request()
    names = ("input_ids", "attention_mask", "token_type_ids")
    return lambda *encoded: request.infer(dict(zip(names, encoded, strict=False)))["logits"].copy()
