"""A graph in ONNX Runtime."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


def network(folder: Path, threads: int) -> Callable[..., Any]:
    """What makes logits of token ids, mask and maybe token types."""
    options, file = onnxruntime.SessionOptions(), next(folder.glob("**/*.onnx"))
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(file), options, disabled_optimizers=["SkipLayerNormFusion"])
    taken = [each.name for each in session.get_inputs()]

    def forward(*encoded: np.ndarray) -> Any:
        given, real = dict(zip(("input_ids", "attention_mask", "token_type_ids"), encoded, strict=False)), encoded[1] == 1
        if "attention_mask" in taken or real.all():
            return session.run(["logits"], {name: given[name] for name in taken})[0]
        return np.concatenate([forward(*(each[i : i + 1, real[i]] for each in encoded)) for i in range(len(real))])

    return forward
