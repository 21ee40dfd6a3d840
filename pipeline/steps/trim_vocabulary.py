"""`trim_vocabulary`: removes pieces and unused positions from embeddings and tokenizer; nothing is trained.

Words that are not in the training texts mark out-of-scope texts, so what spells any word and frequent pieces stay. The
choice of pieces is in `pipeline/models/vocabulary.py`, the smaller network in `pipeline/models/embeddings.py`;
`recovery_distillation` after it brings back a part of the accuracy.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Step, kind, setting
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

    code_version: ClassVar[int] = 5
    takes: ClassVar[tuple[str, ...]] = ("torch",)
    gives: ClassVar[str] = "torch"

    def inputs(self, context: Context) -> dict[str, Any]:
        """The data, and versions."""
        return {"data": context.splits.content_hash, "versions": versions("torch", "transformers", "tokenizers")}

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises OptimizationError when the vocabulary is of an unknown kind, or the embeddings can't be made smaller."""
        if source is not None and source.network is not None:
            from pipeline.models.embeddings import require_shrinkable
            from pipeline.models.vocabulary import require_known_kind

            require_known_kind(source.tokenizer.backend_tokenizer)
            require_shrinkable(source.network, context.backbone.max_length)
        return source

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Trim; metrics: the number of pieces left, and the shares of texts that are split as before."""
        from pipeline.models.embeddings import numbered_positions, shrink_embeddings
        from pipeline.models.vocabulary import compare, select_pieces, trim_tokenizer
        from pipeline.runtimes.torch import read, read_tokenizer, save_fitting

        assert context.source is not None
        description, model = Description.read(context.source), read(context.source)
        before, side = _whole_texts(context.source / TOKENIZER)
        train, validation = (texts_of(inputs_of(split)) for split in (context.splits.train, context.splits.validation))
        chosen = select_pieces(before, train, self.vocab_size, numbered_positions(model), side)
        after = trim_tokenizer(before, chosen.ids)
        compared = [compare(before, after, chosen.ids, texts, side) for texts in (train, validation)]
        self._tell(chosen, before.get_vocab_size(), *compared)
        tokenizer = _as_transformers(after, read_tokenizer(context.source))
        smaller = shrink_embeddings(model, chosen.ids, description.max_length)
        save_fitting(smaller, tokenizer, description, artifact, context.tokenizer_texts)
        return {
            "metrics": {
                "trim/pieces": float(len(chosen.ids)),
                "trim/tokenized_as_before": compared[1].same_share,
                "trim/train_tokenized_as_before": compared[0].same_share,
            }
        }

    def _tell(self, chosen: Any, count: int, train: Any, validation: Any) -> None:
        log.info("%d of %d pieces are kept; %.1f %% of the validation texts are tokenized as before",
                 len(chosen.ids), count, 100 * validation.same_share)  # fmt: skip
        if chosen.required > self.vocab_size:
            log.info("vocab_size=%d: the training texts, and what spells any other word, need %d pieces",
                     self.vocab_size, chosen.required)  # fmt: skip
        for name, each in (("training", train), ("validation", validation)):
            if each.unknown or (each is train and each.changed):
                log.warning("warning: %d of %d %s texts fall into other pieces than before, %d of which are unknown",
                            each.changed, each.texts, name, each.unknown)  # fmt: skip


def _whole_texts(file: Path) -> tuple[Any, str]:
    """The tokenizer in a file, without truncation and padding, and the side on which it truncates."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    side = str((tokenizer.truncation or {}).get("direction", "right")).lower()
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, side


def _as_transformers(tokenizer: Any, like: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    names = ("unk_token", "pad_token", "cls_token", "sep_token", "mask_token", "bos_token", "eos_token")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=like.model_input_names, padding_side=like.padding_side,
        truncation_side=like.truncation_side, **{name: getattr(like, name) for name in names},
    )  # fmt: skip
