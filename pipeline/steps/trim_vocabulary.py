"""`trim_vocabulary`: removes word pieces and unused positions from embeddings and tokenizer; nothing is trained.

Words that are not in the training texts mark out-of-scope texts, so all characters and frequent pieces stay. The choice of
pieces is in `pipeline/models/vocabulary.py`; `recovery_distillation` after it brings back a part of the accuracy.
"""

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Step, kind, setting
from pipeline.errors import OptimizationError
from pipeline.models.outline import Outline
from pipeline.runtimes.base import TOKENIZER, Description
from pipeline.steps.base import Context, versions
from pipeline.tasks.inputs import inputs_of, texts_of

log = logging.getLogger(__name__)


@kind("step", "trim_vocabulary")
@dataclass(frozen=True)
class TrimVocabulary(Step):
    """Settings of `conf/step/trim_vocabulary.yaml`."""

    vocab_size: int = setting(16000, min=1)

    code_version: ClassVar[int] = 4
    takes: ClassVar[tuple[str, ...]] = ("torch",)
    gives: ClassVar[str] = "torch"

    def inputs(self, context: Context) -> dict[str, Any]:
        """The data, and versions."""
        return {"data": context.splits.content_hash, "versions": versions("torch", "transformers", "tokenizers")}

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises OptimizationError when the vocabulary is of another kind, or the embeddings are not where BERT has them."""
        if source is not None and source.network is not None:
            from pipeline.models.vocabulary import require_word_piece

            require_word_piece(source.tokenizer.backend_tokenizer)
            embeddings_of(source.network)
        return source

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Trim; metrics: the number of pieces left, and the share of validation texts that are tokenized as before."""
        from tokenizers import Tokenizer

        from pipeline.models.vocabulary import beginnings, select_pieces, trim_tokenizer
        from pipeline.runtimes.torch import read, read_tokenizer, save_fitting

        assert context.source is not None
        description, before = Description.read(context.source), Tokenizer.from_file(str(context.source / TOKENIZER))
        before.no_truncation()
        before.no_padding()
        kept = select_pieces(before, texts_of(inputs_of(context.splits.train)), self.vocab_size)
        after = trim_tokenizer(before, kept)
        same = [
            one.tokens == other.tokens
            for some in beginnings(texts_of(inputs_of(context.splits.validation)))
            for one, other in zip(*(each.encode_batch(some) for each in (before, after)), strict=True)
        ]
        model = shrink_embeddings(read(context.source), kept, description.max_length)
        share = sum(same) / len(same)
        log.info("%d of %d word pieces are kept; %.1f %% of the validation texts are tokenized as before",
                 len(kept), before.get_vocab_size(), 100 * share)  # fmt: skip
        tokenizer = _as_transformers(after, read_tokenizer(context.source))
        save_fitting(model, tokenizer, description, artifact, context.tokenizer_texts)
        return {"metrics": {"trim/pieces": float(len(kept)), "trim/tokenized_as_before": share}}


def embeddings_of(model: Any) -> tuple[str, str, Any]:
    """The names of a network's word and position embeddings, and the latter themselves.

    Raises OptimizationError when they are not where BERT has them.
    """
    from torch import nn

    from pipeline.models.positions import position_table

    embeddings = {name: module for name, module in model.named_modules() if isinstance(module, nn.Embedding)}
    words = [name for name, module in embeddings.items() if module.num_embeddings == model.config.vocab_size]
    table = position_table(model)
    if len(words) != 1 or table is None:
        raise OptimizationError(f"trim_vocabulary: {model.config.model_type!r} has its embeddings elsewhere than BERT")
    return words[0], *table


def shrink_embeddings(model: Any, kept: list[int], max_length: int) -> Any:
    """A copy of a network with these rows of its word embeddings, in this order, and positions for `max_length` tokens.

    Raises OptimizationError when its embeddings are not where BERT has them.
    """
    from transformers import AutoModelForSequenceClassification

    from pipeline.models.fitting import fit
    from pipeline.models.pooling import pool
    from pipeline.models.positions import first_position

    words, places, positions = embeddings_of(model)
    config, state = copy.deepcopy(model.config), dict(model.state_dict())
    state[f"{words}.weight"] = state[f"{words}.weight"][kept].clone()
    place, first = f"{places}.weight", first_position(positions)
    padding = kept.index(config.pad_token_id)
    moved = 0 if positions.padding_idx is None else config.pad_token_id - padding  # it decides where positions start
    state[place] = state[place][moved : first + max_length].clone()
    config.vocab_size, config.max_position_embeddings, config.pad_token_id = len(kept), len(state[place]), padding
    smaller = pool(AutoModelForSequenceClassification.from_config(config, trust_remote_code=False))
    if first_position(smaller.get_submodule(places)) != first - moved:
        raise OptimizationError(f"trim_vocabulary: in {config.model_type!r} the padding token's number can't change")
    fit(smaller, state)
    return smaller.eval()


def _as_transformers(tokenizer: Any, like: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    special = {name: getattr(like, name) for name in ("unk_token", "pad_token", "cls_token", "sep_token", "mask_token")}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=like.model_input_names, padding_side=like.padding_side,
        truncation_side=like.truncation_side, **special,
    )  # fmt: skip
