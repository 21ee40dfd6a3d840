"""`low_rank`: stores embeddings and feed-forward matrices as products of thinner ones; nothing is trained.

Word embeddings are half of a small classifier, and a product of rank 128 keeps most of their information.
`recovery_distillation` after it brings back a part of the accuracy.
"""

import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Step, kind, setting
from pipeline.errors import ConfigError, OptimizationError
from pipeline.models.outline import Outline
from pipeline.steps.base import Context, versions

log = logging.getLogger(__name__)


@kind("step", "low_rank")
@dataclass(frozen=True)
class LowRank(Step):
    """Settings of `conf/step/low_rank.yaml`."""

    embeddings: int | None = setting(128, min=1)
    feed_forward: int | None = setting(None, min=1)

    code_version: ClassVar[int] = 2
    takes: ClassVar[tuple[str, ...]] = ("torch",)
    gives: ClassVar[str] = "torch"
    learns: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.embeddings is None and self.feed_forward is None:
            raise ConfigError("low_rank with embeddings=null and feed_forward=null changes nothing; give one of them a rank")

    def inputs(self, context: Context) -> dict[str, Any]:
        """Versions only."""
        return {"versions": versions("torch", "transformers")}

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises OptimizationError when a matrix is factorized already, or a rank saves nothing."""
        if source is None or source.network is None:
            return source
        from pipeline.models.low_rank import empty_factors

        network = copy.deepcopy(source.network)
        self._factorize(network, empty_factors)
        return replace(source, network=network.to("meta"))

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Factorize the matrices; metric: the share of parameters that is left."""
        from pipeline.models.low_rank import factorize
        from pipeline.runtimes.base import Description
        from pipeline.runtimes.torch import read, read_tokenizer, save_compact

        assert context.source is not None
        model = read(context.source)
        before = _parameters(model)
        self._factorize(model, factorize)
        log.info("low_rank: %s of %s parameters are left", f"{_parameters(model):,}", f"{before:,}")
        tokenizer = read_tokenizer(context.source)
        save_compact(model, tokenizer, Description.read(context.source), artifact, context.tokenizer_texts)
        return {"metrics": {"low_rank/parameters_kept": _parameters(model) / before}}

    def _factorize(self, model: Any, factors: Callable[[Any, int], Any]) -> None:
        """factors: a layer and a rank -> the two layers that replace it."""
        from torch import nn

        from pipeline.models.layers import layers, required
        from pipeline.models.low_rank import replace_module

        if self.embeddings is not None:
            words = model.base_model.get_input_embeddings()
            if not isinstance(words, nn.Embedding):
                raise OptimizationError("low_rank: the word embeddings are factorized already")
            name = next(name for name, module in model.named_modules() if module is words)
            replace_module(model, name, factors(words, self.embeddings))
        if self.feed_forward is not None:
            required(model)
            for layer in layers(model):
                for name in layer.feed_forward:
                    if not isinstance(layer.part(name), nn.Linear):
                        raise OptimizationError("low_rank: the feed-forward matrices are factorized already")
                    replace_module(model, layer.prefix + name, factors(layer.part(name), self.feed_forward))


def _parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
