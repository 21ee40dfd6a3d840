"""An exported classifier computes what torch computes, for every length, batch size and architecture, or the step fails."""

import functools
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from pipeline.config import Config
from pipeline.errors import ConfigError, OptimizationError
from pipeline.evaluation.latency.process import Worker
from pipeline.runtimes import onnx_graph
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.onnx import OnnxClassifier, session
from pipeline.runtimes.onnx_graph import export, fuse
from pipeline.steps.base import Context
from pipeline.steps.execute import StepsResult, check_order, run_steps
from pipeline.steps.shared.export_check import compare_on_ids, require_equal
from pipeline.steps.store import Store
from tests.conftest import composed, shrunk, small, write_csv

pytestmark = pytest.mark.slow

MAX_LENGTH = 24  # tokens
BERT = {
    "vocab_size": 90, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 32, "num_labels": 5,
}  # fmt: skip


def bert(**changes: Any) -> Any:
    return BertForSequenceClassification(BertConfig(**BERT | changes))


def distilbert() -> Any:
    shape = {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": 32}
    return DistilBertForSequenceClassification(DistilBertConfig(vocab_size=90, num_labels=5, **shape))


def roberta() -> Any:
    return RobertaForSequenceClassification(RobertaConfig(**BERT, pad_token_id=1, type_vocab_size=1))


def minilm() -> Any:
    return bert(num_attention_heads=8, intermediate_size=128)  # the real one has twelve heads of 32


def pruned() -> Any:
    """A BERT whose layers have 4, 2 and 1 heads of 8 dimensions, and fewer neurons than its configuration says."""
    model = bert()
    for layer, heads in zip(model.bert.encoder.layer, (4, 2, 1), strict=True):
        attention = layer.attention.self
        for name in ("query", "key", "value"):
            setattr(attention, name, torch.nn.Linear(32, 8 * heads))
        attention.num_attention_heads, attention.all_head_size = heads, 8 * heads
        layer.attention.output.dense = torch.nn.Linear(8 * heads, 32)
        layer.intermediate.dense, layer.output.dense = torch.nn.Linear(32, 16 * heads), torch.nn.Linear(16 * heads, 32)
    return model


class Graph(OnnxClassifier):
    """A network, exported if it is not yet, and fused, without a tokenizer."""

    def __init__(self, model: Any, folder: Path, how: str = "all", exported: Path | None = None) -> None:
        if exported is None:
            exported = folder / "exported.onnx"
            export(model, exported)
        self.fused = fuse(exported, folder / "model.onnx", MAX_LENGTH, how)
        self._session = session(folder / "model.onnx", threads=1)
        self._masked = True


def random_network(make: Callable[[], Any]) -> Any:
    """A network in eval mode whose weights are so large that logits differ a lot between texts."""
    torch.manual_seed(0)
    model = make().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return model


@pytest.fixture(scope="module")
def file_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[], Any]], Path]:
    """The file of an exported random network; each is exported once."""

    @functools.cache
    def file_of(make: Callable[[], Any]) -> Path:
        file = tmp_path_factory.mktemp(make.__name__) / "exported.onnx"
        export(random_network(make), file)
        return file

    return file_of


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, file_of: Callable[..., Path]) -> tuple[Graph, Path]:
    """The graph of `random_network(bert)` and its directory."""
    folder = tmp_path_factory.mktemp("fused")
    return Graph(random_network(bert), folder, exported=file_of(bert)), folder


@pytest.mark.parametrize("make", [bert, distilbert, roberta, minilm, pruned])
def test_the_fused_graph_computes_what_torch_computes_and_every_attention_in_it_is_fused(
    make: Callable[[], Any], file_of: Callable[..., Path], tmp_path: Path
) -> None:
    model = random_network(make)
    graph = Graph(model, tmp_path, exported=file_of(make))
    assert require_equal(compare_on_ids(model, graph, MAX_LENGTH, model.config.pad_token_id), "") < 1e-5
    assert graph.fused["Attention"] == 3 and graph.fused["LayerNormalization"] >= 6 and graph.fused["BiasGelu"] == 3


@pytest.mark.parametrize("make", [bert, distilbert, roberta])
@pytest.mark.parametrize("how", ["layers", "parts"])
def test_what_is_fused_less_computes_the_same_and_looks_up_no_token_types(
    make: Callable[[], Any], how: str, file_of: Callable[..., Path], tmp_path: Path
) -> None:
    model = random_network(make)
    graph = Graph(model, tmp_path, how, file_of(make))
    assert require_equal(compare_on_ids(model, graph, MAX_LENGTH, model.config.pad_token_id), "") < 1e-5
    assert graph.fused.get("Attention", 0) == (3 if how == "layers" else 0) and "EmbedLayerNormalization" not in graph.fused
    network = onnx.load(tmp_path / "model.onnx").graph
    positions = next(table for table in network.initializer if table.name.endswith("position_embeddings.weight"))
    assert positions.dims[0] == (BERT["max_position_embeddings"] if make is roberta else MAX_LENGTH)
    assert not [node for node in network.node if node.op_type == "Gather" and "token_type" in node.input[0]]


def test_layer_norms_stay_apart_from_the_sums_before_them_whoever_loads_a_graph(
    exported: tuple[Graph, Path], tmp_path: Path
) -> None:
    options = onnxruntime.SessionOptions()  # as others have them
    options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "loaded.onnx"), 3
    onnxruntime.InferenceSession(exported[1] / "model.onnx", options, providers=["CPUExecutionProvider"])
    loaded = Counter(node.op_type for node in onnx.load(tmp_path / "loaded.onnx").graph.node)
    assert loaded["LayerNormalization"] == loaded["Sum"] == 6 and "SkipLayerNormalization" not in loaded


def test_padding_may_stand_anywhere_in_a_text(exported: tuple[Graph, Path]) -> None:
    model = random_network(bert)
    ids, mask = torch.arange(30).view(3, 10) + 5, torch.ones(3, 10, dtype=torch.int64)
    mask[0, :4], mask[1, 3:6] = 0, 0
    expected = model(input_ids=ids, attention_mask=mask).logits.detach().numpy()
    assert np.abs(exported[0].forward(ids.numpy(), mask.numpy()) - expected).max() < 1e-5


def test_exporter_and_optimizer_say_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    with caplog.at_level("INFO"):
        Graph(random_network(pruned), tmp_path)
    assert not caplog.text and [str(warning.message) for warning in recwarn.list] == []


@pytest.mark.parametrize("change", [1e-2, float("nan")])
def test_a_network_that_computes_something_else_fails_the_check(change: float, exported: tuple[Graph, Path]) -> None:
    model, graph = random_network(bert), exported[0]
    with torch.no_grad():
        model.classifier.bias[2] += change
    with pytest.raises(
        OptimizationError,
        match=r"differs from torch: by (0\.01|nan) in a logit for a batch of 1, 1 tokens.* answers differ; set fuse=parts",
    ):
        require_equal(compare_on_ids(model, graph, MAX_LENGTH, 0), "set fuse=parts")


def test_a_difference_that_only_long_texts_show_fails_the_check(exported: tuple[Graph, Path]) -> None:
    model, graph = random_network(bert), exported[0]
    with torch.no_grad():
        model.bert.embeddings.position_embeddings.weight[MAX_LENGTH - 1, 3] += 1
    with pytest.raises(OptimizationError, match=f", {MAX_LENGTH} tokens long"):
        require_equal(compare_on_ids(model, graph, MAX_LENGTH, 0), "")


def test_a_network_too_large_for_one_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graph, "MAX_WEIGHT_BYTES", 10_000)
    with pytest.raises(OptimizationError, match="an ONNX file holds at most 2 GB"):
        export(bert(), tmp_path / "exported.onnx")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, toy_rows: list[tuple[str, str]]) -> StepsResult:
    """`optim=baseline_onnx` on the tiny backbone."""
    folder = tmp_path_factory.mktemp("made")
    overrides = small(folder, write_csv(folder / "toy.csv", toy_rows))
    config = shrunk(composed("optim=baseline_onnx", *overrides))
    context = Context(config.data.load(config.seed), config.backbone, config.seed)
    return run_steps(config.optim, context, Store(folder))


def test_an_exported_classifier_is_whole_and_measured_like_any_other(made: StepsResult) -> None:
    texts = ["rain", "play a song about rain", "order a pizza " * 60]  # the last is longer than max_length
    torch_artifact, artifact = (stage.artifact for stage in made.stages)
    expected = load(torch_artifact, 1).logits(texts)
    assert np.abs(load(artifact, 1).logits(texts) - expected).max() < 1e-5
    with Worker(artifact, threads=1) as worker:
        assert np.abs(worker.logits(texts, batch_size=2) - expected).max() < 1e-5
        assert worker.time(texts).ms.shape == (3,)
    assert {path.relative_to(artifact).as_posix() for path in artifact.rglob("*.*")} == {
        "onnx/model.onnx", "config.json", "tokenizer.json", "tokenizer_config.json", "classifier.json",
    }  # fmt: skip
    assert made.stages[-1].manifest["notes"]["fused"]["Attention"] == 2
    assert 0 <= made.metrics["export/max_difference"] <= 1e-5
    before, after = Description.read(torch_artifact), Description.read(artifact)
    assert after.runtime == "onnx" and after.labels == before.labels and after.max_length == before.max_length


def test_an_exported_classifier_is_served_without_torch_and_transformers(made: StepsResult) -> None:
    program = (
        "import sys; from pathlib import Path; from pipeline.runtimes.base import load\n"
        f"print(load(Path({str(made.artifact)!r}), 1).logits(['rain', 'a song']).shape, "
        "[name for name in ('torch', 'transformers', 'onnx') if name in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(2, 3) []"


@pytest.mark.parametrize("name", ["onnx/model.onnx", "tokenizer.json"])
def test_a_missing_or_broken_file_is_told_in_python_s_own_error_types(made: StepsResult, name: str, tmp_path: Path) -> None:
    artifact = Path(shutil.copytree(made.artifact, tmp_path / "artifact"))
    file = artifact / name
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(ValueError, match="the classifier can't be read"):
        load(artifact, 1)
    file.unlink()
    with pytest.raises(FileNotFoundError, match=name.rpartition("/")[0] or name):
        load(artifact, 1)


def test_export_follows_any_torch_step_by_composition_and_nothing_else(compose: Callable[..., Config]) -> None:
    for optim in ("baseline", "distilbert"):
        config = compose(f"optim={optim}", "+step@optim.steps.x=export_onnx")
        check_order(config.optim, config.backbone)
    config = compose("optim=baseline_onnx", "+step@optim.steps.again=export_onnx")
    with pytest.raises(ConfigError, match=r"steps\.again: export_onnx takes torch, but the step before gives onnx"):
        check_order(config.optim, config.backbone)
