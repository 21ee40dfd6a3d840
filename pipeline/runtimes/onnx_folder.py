"""The folder of an ONNX classifier, laid out as Optimum and transformers.js expect it.

    config.json                 architecture, label names, problem type, and which graph transformers.js takes
    tokenizer.json, tokenizer_config.json
    onnx/model.onnx             the graph in fp32; onnx/model_quantized.onnx in int8, onnx/model_q4.onnx in 4 bits
    classifier.json             what the others have no place for, see `pipeline.runtimes.base.Description`

Optimum takes the one graph that it finds. transformers.js takes the graph that its `dtype` names.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.runtimes.base import TOKENIZER, Description

FP32, INT8, BITS_4 = "onnx/model.onnx", "onnx/model_quantized.onnx", "onnx/model_q4.onnx"
DTYPES = {FP32: "fp32", INT8: "q8", BITS_4: "q4"}  # what transformers.js calls them
CONFIG, TOKENIZER_CONFIG = "config.json", "tokenizer_config.json"
NEEDS_VNNI = "VNNI or AMX on x86"
NEEDS_NOTHING = "nothing: the range is reduced"


def graph_of(artifact: Path) -> Path:
    """The graph of an artifact directory. Raises FileNotFoundError unless there is exactly one."""
    found = sorted((artifact / "onnx").glob("*.onnx"))
    if len(found) != 1:
        raise FileNotFoundError(f"{artifact}: {len(found)} files onnx/*.onnx instead of one; the artifact is incomplete")
    return found[0]


def operators_of(artifact: Path) -> set[str]:
    """The types of the operators in the graph of an artifact directory."""
    import onnx

    return {node.op_type for node in onnx.load(graph_of(artifact), load_external_data=False).graph.node}


def place_for(artifact: Path, graph: str) -> Path:
    """The path at which a graph is to be written: `graph` is one of `DTYPES`."""
    path = artifact / graph
    path.parent.mkdir(exist_ok=True)
    return path


def write_beside(source: Path, artifact: Path, description: Description) -> None:
    """Write what belongs beside the graph of an artifact, from the artifact that it was made of.

    `Description.inputs` is read from the graph, and an int8 graph gets a note of what it was made for.
    """
    import onnx

    path = graph_of(artifact)
    model = onnx.load(path, load_external_data=False)
    if description.int8_bits is not None:
        onnx.helper.set_model_props(model, int8_properties(description.int8_bits))
        onnx.save(model, path)
    for name in (TOKENIZER, TOKENIZER_CONFIG):
        shutil.copy(source / name, artifact)
    config = _config(source, description, path.relative_to(artifact).as_posix())
    (artifact / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    replace(description, inputs=[one.name for one in model.graph.input]).write(artifact)


def int8_properties(bits: int) -> dict[str, str]:
    """What an int8 file says of itself, in the metadata that `InferenceSession.get_modelmeta` shows.

    bits: of a weight. With 8, x86 processors without VNNI or AMX add products in 16 bits, which saturate.
    """
    return {"int8_weight_bits": str(bits), "int8_needs": NEEDS_VNNI if bits == 8 else NEEDS_NOTHING}


def _config(source: Path, description: Description, graph: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((source / CONFIG).read_text(encoding="utf-8"))
    return config | {
        "id2label": {str(number): label for number, label in enumerate(description.labels)},
        "label2id": {label: number for number, label in enumerate(description.labels)},
        "problem_type": description.kind.problem_type,
        "transformers.js_config": {"dtype": DTYPES[graph]},
    }
