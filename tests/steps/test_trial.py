"""A network that is not in the table of architectures is exported on trial before anything is trained."""

import pytest
import transformers

from pipeline.errors import OptimizationError
from pipeline.steps.shared.trial import try_export

SIZES = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 1200}


def test_what_onnx_lacks_is_one_line_and_what_it_has_passes(capfd: pytest.CaptureFixture[str]) -> None:
    configs = [transformers.AutoConfig.for_model(kind, **SIZES) for kind in ("fnet", "roformer")]
    fourier, rotary = map(transformers.AutoModelForSequenceClassification.from_config, configs)
    with pytest.raises(OptimizationError, match=r"export_onnx: .* 'fnet' can't be exported .*fft.*; leave export") as told:
        try_export(fourier, "export_onnx", 16)
    assert "\n" not in str(told.value)
    try_export(rotary.to("meta"), "export_onnx", 16)
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err == ""
