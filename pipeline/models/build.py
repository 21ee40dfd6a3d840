"""Networks to start from: a pretrained encoder with a new head, a student made from it, a fine-tuned checkpoint.

This module needs torch and transformers; import it only where a network is trained or converted.
"""

import logging
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertTokenizer,
    PreTrainedTokenizerFast,
    set_seed,
)
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from pipeline.config import Backbone
from pipeline.errors import BackboneError
from pipeline.models import outputs, setfit
from pipeline.models.checkpoints import locate, weights_of
from pipeline.models.folders import look, require_readable_head
from pipeline.models.head import renew_last_layer
from pipeline.models.pooling import pool
from pipeline.models.positions import max_tokens, position_table
from pipeline.models.students import every_second_layer
from pipeline.tasks.single_label import PROBLEM_TYPE

disable_progress_bar()  # reading and writing weights takes seconds at most
set_verbosity_error()  # transformers warns that a new head is "newly initialized", which is intended

log = logging.getLogger(__name__)
VOCABULARIES = (
    "tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "sentencepiece.bpe.model", "spiece.model", "spm.model",
)  # fmt: skip
Model = Any  # a transformers PreTrainedModel for sequence classification
Tokenizer = Any  # a transformers PreTrainedTokenizerFast


def start(
    backbone: Backbone, role: str, labels: Sequence[str], seed: int, problem_type: str = PROBLEM_TYPE
) -> tuple[Model, Tokenizer]:
    """The network that fine-tuning starts from, with a new head for `labels`; the same seed gives the same head.

    Raises BackboneError when the weights are missing, or no such network can be made from them.
    """
    weights = weights_of(backbone, role)
    set_seed(seed)
    if weights.random:
        model, tokenizer = _random(labels, problem_type)
        require_room(model, backbone.max_length)
        return pool(model, weights.pooling), tokenizer
    if weights.from_teacher:
        teacher, tokenizer = start(backbone, "teacher", labels, seed, problem_type)
        return every_second_layer(teacher), tokenizer
    directory = locate(weights, role)
    folder = look(directory)
    model, tokenizer, _ = _read(directory, ignore_mismatched_sizes=True, **_head(labels, problem_type))
    if folder.classifier:
        renew_last_layer(model)  # else a head of another task that happens to have as many outputs would stay
    require_room(model, backbone.max_length)
    return pool(model, weights.pooling), tokenizer


def _read(directory: Path, **settings: Any) -> tuple[Model, Tokenizer, set[str]]:
    """Network, tokenizer, and the names of weights that are missing in the files. No code from the directory is run.

    Raises BackboneError when a file is missing or can't be read.
    """
    if not any((directory / name).is_file() for name in VOCABULARIES):
        raise BackboneError(f"{directory}: no tokenizer; one of {', '.join(VOCABULARIES)} is needed")
    try:
        model, report = AutoModelForSequenceClassification.from_pretrained(
            directory, trust_remote_code=False, dtype=torch.float32, output_loading_info=True, **settings
        )
        tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
    except Exception as error:  # broken files raise dozens of types
        raise BackboneError(f"{directory}: not a model that transformers can read: {_first_line(error)}") from error
    _fit_together(directory, model, tokenizer)
    return model, tokenizer, set(report["missing_keys"])


def _fit_together(directory: Path, model: Model, tokenizer: Tokenizer) -> None:
    """Make network and tokenizer agree on padding. Raises BackboneError where they can't work together."""
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise BackboneError(f"{directory}: its tokenizer has no tokenizer.json and can't be turned into one")
    if tokenizer.pad_token_id is None:
        raise BackboneError(f"{directory}: the tokenizer has no padding token, so texts can't be batched")
    known, last = model.get_input_embeddings().num_embeddings, max(tokenizer.get_vocab().values())
    if last >= known:
        raise BackboneError(
            f"{directory}: the tokenizer has a token of number {last} ({tokenizer.convert_ids_to_tokens(last)!r}), the "
            f"network has embeddings for {known} only; take the tokenizer that belongs to the network"
        )
    pad_id, table = tokenizer.pad_token_id, position_table(model)
    if table is not None and table[1].padding_idx not in (None, pad_id):
        raise BackboneError(
            f"{directory}: the tokenizer pads with token {pad_id}, the network numbers positions by token "
            f"{table[1].padding_idx}; take the tokenizer that belongs to the network"
        )
    model.config.pad_token_id = pad_id
    if tokenizer.padding_side == "left" and _moved_by_padding(model, tokenizer):
        log.info("texts are padded on the right, not on the left: with this network the answer would depend on the padding")
        tokenizer.padding_side = "right"


def _moved_by_padding(model: Model, tokenizer: Tokenizer) -> bool:
    """Whether padding on the left changes the logits, because the network counts positions from there."""
    ids = torch.tensor([tokenizer("a b c")["input_ids"]])
    padding = torch.full((1, 3), tokenizer.pad_token_id)
    with torch.inference_mode():
        alone = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        mask = torch.cat([torch.zeros_like(padding), torch.ones_like(ids)], dim=1)
        padded = model(input_ids=torch.cat([padding, ids], dim=1), attention_mask=mask).logits
    return not torch.allclose(alone, padded, rtol=1e-3, atol=float(1e-4 * alone.std()))


def require_room(model: Model, max_length: int) -> None:
    """Raises BackboneError where a network has fewer positions than a text may have tokens."""
    positions = max_tokens(model)
    if positions is not None and max_length > positions:
        raise BackboneError(f"backbone.max_length={max_length}: this network has positions for at most {positions} tokens")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _head(labels: Sequence[str], problem_type: str) -> dict[str, Any]:
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: i for i, label in enumerate(labels)},
        "problem_type": problem_type,  # a checkpoint may have been trained for another
    }


def checkpoint(
    directory: Path,
    labels: Sequence[str],
    max_length: int = 0,
    problem_type: str = PROBLEM_TYPE,
    label_names: Sequence[str] = (),
) -> tuple[Model, Tokenizer]:
    """A fine-tuned checkpoint; its outputs are reordered by name to match `labels`.

    label_names: of its outputs, where it calls them LABEL_0 and so on. Raises BackboneError when its label names differ
    from `labels`, or the directory holds no such model.
    """
    folder = look(directory)
    if folder.setfit:
        require_readable_head(directory)
        model, tokenizer, _ = _read(directory, num_labels=len(folder.outputs), ignore_mismatched_sizes=True)
        model = setfit.with_head(model, folder)
        names: Sequence[str] = folder.outputs
    else:
        model, tokenizer, missing = _read(directory)
        if missing:
            raise BackboneError(
                f"{directory}: the weights of {min(missing)} are missing in its files, so it is not a fine-tuned classifier"
            )
        names = [model.config.id2label[number] for number in sorted(model.config.id2label)]
    order = outputs.places(directory, outputs.names_of(directory, names, labels, label_names), labels)
    require_room(model, max_length)
    _reorder_head(model, order)
    for key, value in _head(labels, problem_type).items():
        setattr(model.config, key, value)
    return model, tokenizer


def _reorder_head(model: Model, order: list[int]) -> None:
    heads = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == len(order)]
    with torch.no_grad():
        heads[-1].weight.copy_(heads[-1].weight[order].clone())
        if heads[-1].bias is not None:
            heads[-1].bias.copy_(heads[-1].bias[order].clone())


def _random(labels: Sequence[str], problem_type: str) -> tuple[Model, Tokenizer]:
    """A BERT of 2 layers and 32 dimensions with random weights; its tokens are single characters."""
    tokenizer = random_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=128, **_head(labels, problem_type),
    )  # fmt: skip
    return BertForSequenceClassification(config), tokenizer


def random_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of the network with random weights."""
    characters = string.ascii_lowercase + string.digits + string.punctuation
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {token: i for i, token in enumerate([*specials, *characters, *("##" + c for c in characters)])}
    tokenizer: PreTrainedTokenizerFast = BertTokenizer(vocab=vocabulary)
    return tokenizer
