"""Which text of a pair each token belongs to: what a network is told besides token ids and mask, its third input.

BERT and its like add a vector of its own to the tokens of the second text (Devlin et al. 2019, section 3.2). RoBERTa and
DistilBERT do not: they see the separators only. A network of static vectors needs to know which tokens to average.
"""

import inspect
from collections.abc import Sequence
from typing import Any

NONE = ""  # nothing
TYPES = "types"  # what the tokenizer calls token types: 0 for the first text, 1 for the second
SIDES = "sides"  # 1 and 2 for the first and the second text, 0 for special tokens and padding
ARGUMENT = "token_type_ids"  # the name of this input in transformers, ONNX and OpenVINO


def kind_for(network: Any, tokenizer: Any, pairs: bool) -> str:
    """What a network needs: one of the three above; always NONE where its inputs are single texts.

    tokenizer: that of transformers.
    """
    if not pairs:
        return NONE
    own = getattr(network, "token_types", None)
    if own is not None:
        return str(own)
    makes = ARGUMENT in tokenizer.model_input_names and any(tokenizer("a", "b")[ARGUMENT])
    return TYPES if makes and _uses_types(network) else NONE


def _uses_types(network: Any) -> bool:
    """Whether a network of transformers has more than one token type; RoBERTa has an argument for them, and one."""
    takes = ARGUMENT in inspect.signature(network.forward).parameters
    return takes and int(getattr(network.config, "type_vocab_size", 2)) > 1


def of_encodings(encodings: Sequence[Any], kind: str) -> list[list[int]]:
    """The third input of texts that the library tokenizers encoded."""
    if kind == TYPES:
        return [each.type_ids for each in encodings]
    return [[0 if side is None else side + 1 for side in each.sequence_ids] for each in encodings]
