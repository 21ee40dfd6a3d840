"""`compile`: a torch classifier is compiled ahead of time by torch.compile's compiler, in fp32 or bfloat16.

The code is for the kind of processor it was compiled on. Loading it compiles nothing, so it starts faster than the network.
"""

import contextlib
import io
import logging
import platform
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Step, digest, kind, setting
from pipeline.errors import OptimizationError
from pipeline.models.architectures import architecture_of
from pipeline.models.outline import Outline
from pipeline.models.token_types import ARGUMENT, TYPES
from pipeline.runtimes.base import TOKENIZER, Description, load
from pipeline.steps.base import Context, versions
from pipeline.steps.shared.agreement import check_agreement
from pipeline.steps.shared.export_check import compare_with_torch
from pipeline.system.cpu import flags, has_bfloat16
from pipeline.tasks.inputs import inputs_of

log = logging.getLogger(__name__)
COMPILERS = ("c++", "g++", "clang++", "cl")
MAX_TEXTS = 1024  # in a batch


@kind("step", "compile")
@dataclass(frozen=True)
class Compile(Step):
    """Settings of `conf/step/compile.yaml`."""

    precision: str = setting("float32", choices=("float32", "bfloat16"))

    code_version: ClassVar[int] = 4
    takes: ClassVar[tuple[str, ...]] = ("torch",)
    gives: ClassVar[str] = "torch_compiled"
    learns: ClassVar[bool] = False

    def inputs(self, context: Context) -> dict[str, Any]:
        """The processor's features, and versions. Raises OptimizationError when this machine can't compile."""
        if not any(map(shutil.which, COMPILERS)):
            raise OptimizationError(
                "compile: there is no C++ compiler (g++ or clang++ on the PATH); install one, or remove the step"
            )
        if self.precision == "bfloat16" and not has_bfloat16():
            raise OptimizationError("compile: this processor has no bfloat16 instructions; set precision=float32")
        return {
            "processor": digest([platform.machine(), *sorted(flags())]),
            "max_length": context.backbone.max_length,
            "data": context.splits.content_hash,  # for the notes
            "versions": versions("torch", "transformers", "tokenizers"),
        }

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises OptimizationError when torch can't trace a network whose architecture is not in the table."""
        if source is not None and source.network is not None and architecture_of(source.network.config) is None:
            with _one_line():
                _traced(source.network, context.backbone.max_length)
        return source

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Compile, compare; metric: the largest difference of a logit; in bfloat16 the agreement of predictions."""
        import torch

        from pipeline.runtimes.torch import read
        from pipeline.runtimes.torch_compiled import MODEL

        assert context.source is not None
        model, threads = read(context.source), torch.get_num_threads()
        described = Description.read(context.source)
        log.info("compiling takes a minute, longer for large networks")
        typed = described.token_types == TYPES
        compile_ahead_of_time(read(context.source), self.precision, described.max_length, artifact / MODEL, typed)
        shutil.copy(context.source / TOKENIZER, artifact)
        replace(described, runtime="torch_compiled").write(artifact)
        if self.precision != "float32":
            texts = inputs_of(context.splits.validation)
            return {"metrics": check_agreement(context.source, artifact, texts, "set precision=float32")}
        exported, advice = load(artifact, threads, windows=False), f"use export_onnx instead of {self.kind}"
        return {"metrics": compare_with_torch(model, exported, context, advice)}


def compile_ahead_of_time(model: Any, precision: str, max_length: int, target: Path, typed: bool = False) -> None:
    """Write a network's compiled code: input_ids and attention_mask, int64 (batch, length) -> logits (batch, labels).

    typed: it also takes token_type_ids, like them. Raises OptimizationError when torch can't trace or compile it.
    """
    import torch
    from torch._inductor import aoti_compile_and_package

    settings = {"freezing": True, "cpp.dynamic_threads": True}
    with _one_line(), torch.no_grad():
        traced = _traced(model.to(getattr(torch, precision)), max_length, typed)
        aoti_compile_and_package(traced, package_path=str(target), inductor_configs=settings)


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """What the compiler raises becomes an OptimizationError; its warnings are not shown."""
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stderr(io.StringIO()):
            yield
    except Exception as error:  # the compiler raises many types
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise OptimizationError(f"compile: torch can't compile this network ({first}); use export_onnx instead") from error


def _traced(model: Any, max_length: int, typed: bool = False) -> Any:
    """The program of a network, which may be without weights; batch and length are free."""
    import torch

    class Network(torch.nn.Module):
        """Token ids, mask and maybe token types -> logits."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor | None = None) -> torch.Tensor:
            further = {} if types is None else {ARGUMENT: types}
            logits: torch.Tensor = self.model(input_ids=ids, attention_mask=mask, **further).logits.float()
            return logits

    ids = torch.ones(2, 8, dtype=torch.int64, device=next(model.parameters()).device)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    free = {0: torch.export.Dim("batch", max=MAX_TEXTS), 1: torch.export.Dim("length", min=2, max=max_length)}
    given = (ids, mask, torch.zeros_like(ids)) if typed else (ids, mask)
    with torch.no_grad():
        return torch.export.export(Network().eval(), given, dynamic_shapes=(free,) * len(given))
