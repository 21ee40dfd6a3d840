"""`quantize_openvino`: quantizes an OpenVINO network to int8 with NNCF, with ranges measured on training texts.

With accuracy control NNCF returns the most sensitive operations to fp32 until the loss of accuracy on the validation split
is at most `max_drop`.
"""

import contextlib
import functools
import io
import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.config import Step, kind, setting
from pipeline.runtimes.base import INPUTS, TOKENIZER, Description, encoder_of
from pipeline.runtimes.openvino import MODEL, SETTINGS, library
from pipeline.steps.base import Context, versions
from pipeline.steps.export_openvino import require_openvino
from pipeline.steps.shared.agreement import check_agreement
from pipeline.system.cpu import int8_instructions, int8_support, warn_if_slow
from pipeline.tasks import Task
from pipeline.tasks.inputs import Input, inputs_of

log = logging.getLogger(__name__)
JUDGED = (
    " and their effect on accuracy, on the validation texts: they decide which operations stay fp32, so accuracy on them is "
    "a little too good; the test split confirms"
)
Row = dict[str, np.ndarray]  # input_ids, attention_mask and maybe token_type_ids, int64 (1, tokens)


@kind("step", "quantize_openvino")
@dataclass(frozen=True)
class QuantizeOpenvino(Step):
    """Settings of `conf/step/quantize_openvino.yaml`."""

    calibration_samples: int = setting(300, min=1)
    max_drop: float | None = setting(0.005, min=0, max=1)

    code_version: ClassVar[int] = 2
    takes: ClassVar[tuple[str, ...]] = ("openvino",)
    gives: ClassVar[str] = "openvino_int8"

    def inputs(self, context: Context) -> dict[str, Any]:
        """Data, the seed that draws calibration samples, and versions. Raises OptimizationError without the extra."""
        require_openvino("openvino", "nncf")
        return {
            "data": context.splits.content_hash,
            "seed": context.seed,
            "versions": versions("openvino", "nncf", "tokenizers", "numpy"),
        }

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Quantize; metric: the share of validation texts whose prediction stays the same."""
        assert context.source is not None
        warn_if_slow(int8_support())
        openvino = library()
        network = openvino.Core().read_model(context.source / MODEL)
        log.info("NNCF measures ranges%s", "" if self.max_drop is None else JUDGED)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            quantized = self._quantized(network, context)
        openvino.save_model(quantized, str(artifact / MODEL), compress_to_fp16=False)
        for name in (TOKENIZER, SETTINGS):
            shutil.copy(context.source / name, artifact)
        replace(Description.read(context.source), int8_for=int8_instructions()).write(artifact)
        advice = "set max_drop lower" if self.max_drop is not None else "set max_drop"
        return {"metrics": check_agreement(context.source, artifact, inputs_of(context.splits.validation), advice)}

    def _quantized(self, network: Any, context: Context) -> Any:
        import nncf

        assert context.source is not None
        logging.getLogger("nncf").setLevel(logging.ERROR)  # nncf.set_log_level would silence all handlers
        encode = encoder_of(context.source, Description.read(context.source), threads=1)

        def encoded(text: Input) -> Row:
            return dict(zip(INPUTS, encode([text]), strict=False))

        train, validation = inputs_of(context.splits.train), context.splits.validation
        drawn = np.random.default_rng(context.seed).permutation(len(train))[: self.calibration_samples]
        measured = nncf.Dataset([encoded(train[row]) for row in drawn])
        settings = {"model_type": nncf.ModelType.TRANSFORMER, "subset_size": len(drawn)}
        if self.max_drop is None:
            return nncf.quantize(network, measured, **settings)
        truth = context.splits.task.truth(validation, len(context.splits.labels))
        judged = nncf.Dataset([(encoded(text), own) for text, own in zip(inputs_of(validation), truth, strict=True)])
        return nncf.quantize_with_accuracy_control(
            network,
            measured,
            judged,
            validation_fn=functools.partial(_quality, context.splits.task),
            max_drop=self.max_drop,
            **settings,
        )


def _quality(task: Task, network: Any, rows: Any) -> tuple[float, list[float]]:
    """The mean of `Task.text_scores`, and that of each text."""
    right = [float(task.text_scores(task.answer(network(inputs)[0]), truth[None])[0]) for inputs, truth in rows]
    return float(np.mean(right)), right
