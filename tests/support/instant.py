"""A classifier that is made and loaded in a moment: a table of embeddings, their mean, one matrix, in ONNX."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from pipeline.runtimes.base import Description
from pipeline.runtimes.onnx_folder import CONFIG, FP32, TOKENIZER_CONFIG

WORDS = ("[PAD]", "[UNK]", "play", "a", "song", "rain", "pizza", "no", "is", "it", "sunny")


def write(artifact: Path, labels: list[str], width: int = 64, seed: int = 0) -> Path:
    """Write it into a directory, which is made; a larger width makes it slower."""
    rng = np.random.default_rng(seed)
    arrays = {
        "table": rng.normal(size=(len(WORDS), width)).astype(np.float32),
        "matrix": rng.normal(size=(width, len(labels))).astype(np.float32),
        "axis": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("ReduceMean", ["embedded", "axis"], ["pooled"], keepdims=0),
        helper.make_node("MatMul", ["pooled", "matrix"], ["logits"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, [None, None]) for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, len(labels)])
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "instant", inputs, [output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (artifact / "onnx").mkdir(parents=True)
    onnx.save(model, str(artifact / FP32))
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(artifact / "tokenizer.json"))
    (artifact / TOKENIZER_CONFIG).write_text("{}")
    (artifact / CONFIG).write_text(json.dumps({"model_type": "bert", "id2label": dict(enumerate(labels))}))
    Description("onnx", labels, max_length=64).write(artifact)
    return artifact
