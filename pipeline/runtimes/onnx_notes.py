"""How somebody runs an ONNX classifier without this project, and what is needed to get the same answers."""

import json
from pathlib import Path

from pipeline.models.token_types import TYPES
from pipeline.runtimes.base import Description
from pipeline.runtimes.onnx_folder import TOKENIZER_CONFIG, operators_of
from pipeline.tasks.base import Task

NOT_IN_BROWSERS = "GatherBlockQuantized"
IN_PYTHON = """import json
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

folder = Path("DIR")
names = json.loads((folder / "config.json").read_text(encoding="utf-8"))["id2label"]
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
session = onnxruntime.InferenceSession(next(folder.glob("onnx/*.onnx")))
for text in ["play a song", "will it rain?"]:
    encoded = tokenizer.encode(text)  # of a pair: tokenizer.encode(first, second)
    known = {"input_ids": encoded.ids, "attention_mask": encoded.attention_mask, "token_type_ids": encoded.type_ids}
    (logits,) = session.run(["logits"], {one.name: np.array([known[one.name]]) for one in session.get_inputs()})
    print(names[str(logits[0].argmax())])
"""  # as in pipeline/deployment/README.md
ONE_TEXT = 'for text in ["play a song", "will it rain?"]:\n    encoded = tokenizer.encode(text)'
ONE_PAIR = 'for first, second in [("a text", "another")]:\n    encoded = tokenizer.encode(first, second)'
LARGEST = "    print(names[str(logits[0].argmax())])"
PROBABLE = "    print([names[str(number)] for number in np.flatnonzero(logits[0] > 0)])"
IN_JAVASCRIPT = """import { pipeline } from "@huggingface/transformers";

const classify = await pipeline("text-classification", "NAME");
console.log(await classify("a text to classify"OPTIONS));
"""
PAIR_IN_JAVASCRIPT = """import { AutoModelForSequenceClassification, AutoTokenizer } from "@huggingface/transformers";

const tokenizer = await AutoTokenizer.from_pretrained("NAME");
const model = await AutoModelForSequenceClassification.from_pretrained("NAME");
const inputs = tokenizer("a text", { text_pair: "another", truncation: true, return_token_type_ids: true });
const logits = (await model(inputs)).logits.data; // one for each of model.config.id2label
"""
SEVERAL = "multi_label_classification"


def in_python(task: Task) -> str:
    """Code that answers with plain ONNX Runtime. `DIR` is the folder."""
    code = IN_PYTHON.replace(LARGEST, PROBABLE) if task.problem_type == SEVERAL else IN_PYTHON
    line = code.replace("  # of a pair: tokenizer.encode(first, second)", "")
    return line.replace(ONE_TEXT, ONE_PAIR) if task.pairs else line


def in_javascript(task: Task) -> str:
    """Code that answers with transformers.js. `NAME` is the repository."""
    options = ", { top_k: null }" if task.problem_type == SEVERAL else ""
    return PAIR_IN_JAVASCRIPT if task.pairs else IN_JAVASCRIPT.replace("OPTIONS", options)


def notes(artifact: Path) -> list[str]:
    """One sentence or two for each thing that other libraries do in another way, in Markdown."""
    described = Description.read(artifact)
    task = described.kind
    found = [] if described.rule.plain else [_rule(described)]
    if described.window is not None:
        found.append(
            f"A text of more than {described.max_length} tokens is answered in windows that share "
            f"{described.window_overlap} tokens; the {described.window} of their logits is its answer (`window` in "
            "`classifier.json`). Other libraries read its beginning only."
        )
    if "attention_mask" not in (described.inputs or ["attention_mask"]):
        found.append(
            f"The graph takes {_named(described.inputs)} and no mask, so one text at a time, without padding. It refuses a "
            "batch: do not pass several texts to one call of transformers.js, and leave `batch_size` of Optimum's pipeline "
            "at 1. Step `quantize_onnx_dynamic` with `batched=true` makes a graph that takes batches."
        )
    found += _pairs(described) if task.pairs else []
    return [*found, *_operators(artifact), _cutting(artifact, described.max_length), *_int8(described)]


def _rule(described: Description) -> str:
    return (
        f"The answer is not simply the largest logit: `decision` in `classifier.json` is the rule that was measured, "
        f"`{json.dumps(described.decision)}`. Other libraries do not apply it."
    )


def _named(names: list[str] | None) -> str:
    return ", ".join(f"`{name}`" for name in names or ())


def _pairs(described: Description) -> list[str]:
    types = "; the graph takes `token_type_ids`, 1 for the second text" if described.token_types == TYPES else ""
    return [f"An input is a pair of texts{types}. The pipeline of transformers.js takes none: call tokenizer and model."]


def _operators(artifact: Path) -> list[str]:
    if NOT_IN_BROWSERS not in operators_of(artifact):
        return []
    return [
        f"Its embeddings have 4 bits. ONNX Runtime has no such operator (`{NOT_IN_BROWSERS}`) in WebAssembly: it loads in "
        "Python and Node.js, not in a browser."
    ]


def _cutting(artifact: Path, max_length: int) -> str:
    config = json.loads((artifact / TOKENIZER_CONFIG).read_text(encoding="utf-8"))
    if config.get("truncation_side", "right") == "right":
        return (
            f"A text of more than {max_length} tokens is cut. transformers.js cuts off its last special token too, so such "
            "a text may get another label there."
        )
    return f"A text of more than {max_length} tokens loses its beginning. transformers.js cuts off its end instead."


def _int8(described: Description) -> list[str]:
    if described.int8_bits is None:
        return []
    if described.int8_bits == 8:
        return [
            f"int8 with weights of 8 bits, quantized on a processor with {described.int8_for}. On x86 without VNNI or AMX "
            "sums saturate, which changes answers."
        ]
    return ["int8 with weights of 7 bits (reduced range): sums do not saturate on any processor."]
