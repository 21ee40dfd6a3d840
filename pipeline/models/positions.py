"""How many tokens a network has positions for, and where in its table they start.

RoBERTa, XLM-R, CamemBERT, MPNet and others number positions from behind the padding index, so that many rows of their table
are never used by a text.
"""

from typing import Any

from torch import nn

TABLES = ("position_embeddings", "embed_positions", "wpe")  # names of the table of positions in the families of transformers


def position_table(model: Any) -> tuple[str, nn.Embedding] | None:
    """Name and module of the table of absolute positions; None where a network has none."""
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in TABLES and isinstance(module, nn.Embedding):
            return name, module
    return None


def first_position(table: nn.Embedding) -> int:
    """The row of the first token of a text."""
    if table.padding_idx is not None:
        return table.padding_idx + 1
    return int(getattr(table, "offset", 0))  # BART's table


def max_tokens(model: Any) -> int | None:
    """The number of tokens of the longest text that a network takes; None where its configuration names no limit."""
    found = position_table(model)
    if found is not None:
        return found[1].num_embeddings - first_position(found[1])
    limit = getattr(model.config, "max_position_embeddings", None)
    return None if limit is None or limit < 1 else int(limit)  # XLNet's is -1
