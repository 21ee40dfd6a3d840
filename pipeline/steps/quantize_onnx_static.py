"""`quantize_onnx_static`: int8 with activation ranges measured on training texts ("static" quantization, QDQ).

Answers do not depend on the batch, unlike those of dynamic quantization. If too many predictions change, the most sensitive
products stay in fp32, as few as needed: those whose quantization alone changes logits most.
The work on the graph is in `pipeline/runtimes/onnx_static.py`.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.config import Step, kind, setting
from pipeline.models.outline import Outline
from pipeline.runtimes.base import INPUTS, Description, encoder_of
from pipeline.runtimes.onnx_folder import INT8, graph_of, place_for, write_beside
from pipeline.runtimes.onnx_graph import require_fuse
from pipeline.runtimes.onnx_static import METHODS, Inputs, StaticQuantization
from pipeline.steps.base import Context, versions
from pipeline.steps.shared.agreement import check_agreement
from pipeline.system.cpu import REDUCE_RANGE, int8_instructions, int8_support, needs_reduced_range, warn_if_slow
from pipeline.system.progress import bar
from pipeline.tasks import Task
from pipeline.tasks.base import same
from pipeline.tasks.inputs import inputs_of

log = logging.getLogger(__name__)


@kind("step", "quantize_onnx_static")
@dataclass(frozen=True)
class QuantizeOnnxStatic(Step):
    """Settings of `conf/step/quantize_onnx_static.yaml`."""

    method: str = setting("minmax", choices=METHODS)
    percentile: float = setting(99.99, above=50, max=100)
    calibration_samples: int = setting(256, min=1)
    agreement: float = setting(0.99, min=0, max=1)
    per_channel: bool = True
    reduce_range: str = setting("auto", choices=REDUCE_RANGE)

    code_version: ClassVar[int] = 4
    takes: ClassVar[tuple[str, ...]] = ("onnx",)
    gives: ClassVar[str] = "onnx_int8"

    def inputs(self, context: Context) -> dict[str, Any]:
        """Data, the seed that draws calibration samples, versions, and what "auto" means on this processor."""
        return {
            "data": context.splits.content_hash,
            "seed": context.seed,
            "reduce_range": needs_reduced_range(self.reduce_range),
            "versions": versions("onnx", "onnxruntime", "tokenizers", "numpy"),
        }

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises OptimizationError when too much of the graph is fused."""
        if source is not None:
            require_fuse(source.fuse, "parts", "quantize_onnx_static")
        return source

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Quantize; metrics: agreement on validation, products kept in fp32; notes: "effects", if any are kept."""
        assert context.source is not None
        warn_if_slow(int8_support())
        (texts, judged), graph = self._texts(context), graph_of(context.source)
        static = StaticQuantization(graph, texts, self.method, self.percentile, scratch)
        kept, effects = self._kept(static, graph, judged, scratch, context.splits.task)
        reduced = needs_reduced_range(self.reduce_range)
        static.write(place_for(artifact, INT8), kept, self.per_channel, reduced)
        described, bits = Description.read(context.source), 7 if reduced else 8
        write_beside(context.source, artifact, replace(described, int8_for=int8_instructions(), int8_bits=bits))
        kept_answers = check_agreement(
            context.source, artifact, inputs_of(context.splits.validation), "try another method or agreement=1"
        )
        return {"metrics": kept_answers | {"quantize/kept_fp32": float(len(kept))}, "effects": effects}

    def _texts(self, context: Context) -> tuple[list[Inputs], list[Inputs]]:
        """Encoded training texts: the calibration samples, and as many others to judge the result."""
        assert context.source is not None
        encode = encoder_of(context.source, Description.read(context.source), threads=1)
        train = inputs_of(context.splits.train)
        drawn = np.random.default_rng(context.seed).permutation(len(train))[: 2 * self.calibration_samples]
        encoded: list[Inputs] = [dict(zip(INPUTS, encode([train[row]]), strict=False)) for row in drawn]
        half = (len(encoded) + 1) // 2
        return encoded[:half], encoded[half:] or encoded

    def _kept(
        self, static: StaticQuantization, graph: Path, judged: Sequence[Inputs], scratch: Path, task: Task
    ) -> tuple[list[str], dict[str, float]]:
        """The nodes to keep in fp32, and the effect of every node, which is measured only if some must be kept."""
        expected = _logits(graph, judged)

        def found(kept: Sequence[str]) -> np.ndarray:
            static.write(scratch / "tried.onnx", kept, self.per_channel, needs_reduced_range(self.reduce_range))
            return _logits(scratch / "tried.onnx", judged)

        def enough(kept: Sequence[str]) -> bool:
            return float(np.mean(same(task.answer(found(kept)), task.answer(expected)))) >= self.agreement

        if enough([]):
            return [], {}
        effects = {}
        with bar("measuring each product's effect", "product", len(static.nodes)) as progress:
            for node in static.nodes:
                alone = found([name for name in static.nodes if name != node])
                effects[node] = float(np.mean((alone - expected) ** 2))
                progress.update()
        worst = sorted(effects, key=lambda node: -effects[node])
        count = next((count for count in range(1, len(worst)) if enough(worst[:count])), len(worst))
        log.info("%d of %d products stay in fp32: %s", count, len(worst), ", ".join(worst[:count]))
        return worst[:count], effects


def _logits(graph: Path, texts: Sequence[Inputs]) -> np.ndarray:
    from pipeline.runtimes.onnx import session

    opened = session(graph, threads=1)
    return np.concatenate([opened.run(["logits"], dict(inputs))[0] for inputs in texts])
