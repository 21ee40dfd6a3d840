"""What somebody who runs an ONNX classifier without this project must do to get the same answers."""

import json
from pathlib import Path

from pipeline.models.token_types import TYPES
from pipeline.runtimes.base import Description
from pipeline.runtimes.onnx_folder import TOKENIZER_CONFIG, operators_of
from pipeline.tasks.base import Task

ELSEWHERE = (
    "Optimum (`ORTModelForSequenceClassification.from_pretrained`) and transformers.js "
    '(`pipeline("text-classification", ...)`) load this folder too.'
)
NOT_IN_BROWSERS = "GatherBlockQuantized"


def notes(artifact: Path) -> list[str]:
    """One sentence or two for each thing that other libraries do in another way, in Markdown."""
    described = Description.read(artifact)
    task = described.kind
    found = [ELSEWHERE, *([] if described.rule.plain else [_rule(described)])]
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
    found += _pairs(described, task) if task.pairs else []
    return [*found, *_operators(artifact), _cutting(artifact, described.max_length), *_int8(described)]


def _rule(described: Description) -> str:
    return (
        f"The answer is not simply the largest logit: `decision` in `classifier.json` is the rule that was measured, "
        f"`{json.dumps(described.decision)}`. Other libraries do not apply it."
    )


def _named(names: list[str] | None) -> str:
    return ", ".join(f"`{name}`" for name in names or ())


def _pairs(described: Description, task: Task) -> list[str]:
    call = "`tokenizer(first, {text_pair: second, truncation: true, return_token_type_ids: true})`"
    types = "; the graph takes `token_type_ids`, 1 for the second text" if described.token_types == TYPES else ""
    return [f"An input is a pair of texts{types}. In transformers.js, call the tokenizer, {call}, and then the model."]


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
