"""Input embeddings with fewer rows: a network for a smaller vocabulary and shorter texts.

The table is found by transformers' own name for it, in every family: beside or before a projection to the hidden size
(ALBERT, ELECTRA), in two factors (`low_rank`), or under several names (tied). Positions are cut where they have a table.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from pipeline.errors import OptimizationError
from pipeline.models.fitting import fit
from pipeline.models.low_rank import Factored
from pipeline.models.pooling import pool
from pipeline.models.positions import first_position, position_table


def word_tables(model: Any) -> list[str]:
    """The names of the parameters that are the table of word embeddings: float (pieces, width).

    Raises OptimizationError when the network has none.
    """
    words = model.get_input_embeddings()
    table = words[0] if isinstance(words, Factored) else words
    if not isinstance(table, nn.Embedding):
        raise OptimizationError(f"trim_vocabulary: {model.config.model_type!r} has no table of word embeddings")
    alike = {f"{name}.weight" for name, each in model.named_modules(remove_duplicate=False)
             if isinstance(each, nn.Embedding) and each.weight.shape == table.weight.shape}  # fmt: skip
    return [name for name, each in model.named_parameters(remove_duplicate=False) if each is table.weight or name in alike]


def numbered_positions(model: Any) -> int:
    """Where positions are numbered from behind the padding token (RoBERTa, MPNet), the pieces up to it, otherwise 0.

    Their numbers can't change: the network would take other positions.
    """
    found = position_table(model)
    return 0 if found is None or found[1].padding_idx is None else int(found[1].padding_idx) + 1


def shrink_embeddings(model: Any, kept: Sequence[int], max_length: int) -> Any:
    """A copy of a network with these rows of its word embeddings, in this order, and positions for `max_length` tokens.

    kept: it must begin with all pieces up to `numbered_positions`. Raises OptimizationError when no such network can be
    made.
    """
    from transformers import AutoModelForSequenceClassification
    from transformers.initialization import no_init_weights

    fixed = numbered_positions(model)
    if list(kept[:fixed]) != list(range(fixed)):
        raise OptimizationError(f"trim_vocabulary: in {model.config.model_type!r} the padding token's number can't change")
    config, state = copy.deepcopy(model.config), dict(model.state_dict())
    for name in word_tables(model):
        state[name] = state[name][list(kept)].clone()
    _renumber(config, kept)
    _shorten(model, config, state, max_length)
    with no_init_weights(), torch.device(model.device):
        smaller = pool(AutoModelForSequenceClassification.from_config(config, trust_remote_code=False))
    try:
        fit(smaller, state)
    except ValueError as error:
        raise OptimizationError(
            f"trim_vocabulary: the embeddings of {config.model_type!r} can't be made smaller: {error}"
        ) from error
    return smaller.eval()


def require_shrinkable(model: Any, max_length: int) -> None:
    """Raises OptimizationError where `shrink_embeddings` would; the network may be without weights."""
    pieces = model.get_parameter(word_tables(model)[0]).shape[0]
    shrink_embeddings(model, range(max(pieces // 2, (model.config.pad_token_id or 0) + 1)), max_length)


def _renumber(config: Any, kept: Sequence[int]) -> None:
    """The numbers of special tokens; one that is not kept has none."""
    number = {old: new for new, old in enumerate(kept)}
    for name, old in config.to_dict().items():
        if name.endswith("_token_id") and isinstance(old, int):
            setattr(config, name, number.get(old))
    config.vocab_size = len(kept)


def _shorten(model: Any, config: Any, state: dict[str, Any], max_length: int) -> None:
    """Cut the table of positions, unless others depend on its length, as DeBERTa's distances do."""
    found = position_table(model)
    if found is None or getattr(config, "relative_attention", False):
        return
    name, table = found
    rows = first_position(table) + max_length
    state[f"{name}.weight"] = state[f"{name}.weight"][:rows].clone()
    config.max_position_embeddings = len(state[f"{name}.weight"]) - int(getattr(table, "offset", 0))
