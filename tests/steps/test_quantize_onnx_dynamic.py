"""int8 in ONNX Runtime: smaller, nearly the same predictions, weights in the range that the processor needs."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from pipeline.config import Backbone
from pipeline.deployment.serve.answers import Answerer
from pipeline.errors import ConfigError
from pipeline.evaluation.latency.process import Worker
from pipeline.evaluation.latency.worker import Server
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.onnx import session
from pipeline.runtimes.onnx_dynamic import quantize
from pipeline.runtimes.onnx_folder import graph_of, int8_properties
from pipeline.runtimes.onnx_notes import notes
from pipeline.steps.base import Context
from pipeline.steps.execute import StepsResult, check_order, plan, run_steps
from pipeline.steps.quantize_onnx_dynamic import QuantizeOnnxDynamic
from pipeline.steps.shared.inference import logits_of
from pipeline.steps.store import Store, listing
from pipeline.system.cpu import Int8Support, int8_instructions, int8_support, int8_support_of
from tests.conftest import composed, small, write_csv
from tests.runtimes.test_onnx import Graph, distilbert, pruned, random_network, roberta

pytestmark = pytest.mark.slow

SETTINGS = ("epochs=12", "learning_rate=5e-3", "batch_size=8", "freeze_embeddings=false", "label_smoothing=0")
TRAINED = [f"backbone.teacher.finetune.{setting}" for setting in SETTINGS]
HAS, LACKS = Int8Support(True, False, "it has VNNI"), Int8Support(False, True, "it lacks VNNI")


@pytest.mark.parametrize(
    ("flags", "machine", "system", "fast", "reduce_range"),
    [
        ("avx2 avx512f avx512_vnni", "x86_64", "Linux", True, False),
        ("avx2 avx_vnni", "x86_64", "Linux", True, False),
        ("avx2 avx512vnni", "AMD64", "Windows", True, False),
        ("avx512f amx_tile amx_int8", "x86_64", "Linux", True, False),
        ("avx2 fma avx512f avx512bw", "x86_64", "Linux", False, True),
        ("sse4_2 avx avx2", "AMD64", "Windows", False, True),
        ("", "x86_64", "Darwin", False, True),
        ("fp asimd asimddp", "aarch64", "Linux", True, False),
        ("fp asimd", "aarch64", "Linux", False, False),
        ("", "arm64", "Darwin", True, False),
    ],
)
def test_what_a_processor_can_do_follows_from_its_flags(
    flags: str, machine: str, system: str, fast: bool, reduce_range: bool
) -> None:
    found = int8_support_of(frozenset(flags.split()), machine, system)
    assert (found.fast, found.reduce_range) == (fast, reduce_range)
    assert ("neither" in found.why or " no " in found.why) is not fast


Quantized = Callable[..., StepsResult]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory, toy_rows: list[tuple[str, str]]) -> Context:
    folder = tmp_path_factory.mktemp("data")
    config = composed("optim=baseline", *small(folder, write_csv(folder / "toy.csv", toy_rows)), *TRAINED)
    return Context(config.data.load(config.seed), config.backbone, config.seed)


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory, context: Context) -> Quantized:
    """Settings of the step -> a tiny network that was trained, exported and quantized; all but the last only once."""
    store = Store(tmp_path_factory.mktemp("store"))

    def make(**settings: object) -> StepsResult:
        optim = composed("optim=baseline_onnx_int8", "backbone=tiny").optim
        last = replace(optim.steps["quantize"], **settings)  # type: ignore[arg-type]
        return run_steps(replace(optim, steps={**optim.steps, "quantize": last}), context, store)

    return make


def stored(artifact: Path) -> dict[str, np.ndarray]:
    """The tensors in an artifact's graph."""
    graph = onnx.load(graph_of(artifact)).graph
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def largest_weight(artifact: Path) -> int:
    return max(int(np.abs(t.astype(int)).max()) for t in stored(artifact).values() if t.dtype == np.int8 and t.ndim == 2)


@pytest.mark.parametrize("per_channel", [True, False])
def test_int8_predicts_what_fp32_does_and_is_smaller(quantized: Quantized, context: Context, per_channel: bool) -> None:
    made = quantized(per_channel=per_channel)
    fp32, int8 = (stage.artifact for stage in made.stages[1:])
    texts = list(context.splits.test["text"])
    expected = load(fp32, 1).logits(texts).argmax(1)
    assert len(set(expected)) > 1  # it has learned something
    with Worker(int8, threads=1) as worker:
        assert np.mean(worker.logits(texts, batch_size=4).argmax(1) == expected) >= 0.9
    assert made.metrics["quantize/agreement"] >= 0.9
    assert {path.name for path in int8.iterdir()} == {path.name for path in fp32.iterdir()}
    described, bits = Description.read(fp32), 7 if int8_support().reduce_range else 8
    assert described.inputs == ["input_ids", "attention_mask"]
    assert Description.read(int8) == replace(
        described, batched=False, inputs=["input_ids"], int8_for=int8_instructions(), int8_bits=bits
    )
    assert graph_of(int8).stat().st_size < 0.75 * graph_of(fp32).stat().st_size


def test_what_is_said_of_a_text_does_not_depend_on_its_neighbours(quantized: Quantized, context: Context) -> None:
    int8 = quantized().artifact
    texts = list(context.splits.test["text"])
    batched, alone = load(int8, 1).logits(texts), np.concatenate([load(int8, 1).logits([text]) for text in texts])
    inputs = [taken.name for taken in session(graph_of(int8), 1).get_inputs()]
    assert inputs == ["input_ids"], "alone, so without a mask"
    assert np.array_equal(batched, alone) and np.array_equal(logits_of(int8, texts, ""), alone)
    answer = Answerer(int8)
    assert answer(texts) == [said for text in texts for said in answer([text])]


def test_plain_onnx_runtime_can_t_read_padding_as_text(quantized: Quantized, context: Context) -> None:
    made, batched = quantized().artifact, quantized(batched=True)
    texts = list(context.splits.test["text"])
    ids, mask = load(made, 1).encode(texts)
    assert len(set(mask.sum(axis=1))) > 1
    with pytest.raises(Exception, match="Got: 18 Expected: 1"):
        session(graph_of(made), 1).run(["logits"], {"input_ids": ids})
    plain = session(graph_of(batched.artifact), 1).run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]
    assert np.mean(plain.argmax(1) == load(batched.stages[-2].artifact, 1).logits(texts).argmax(1)) >= 0.9
    description = Description.read(batched.artifact)
    assert (description.batched, description.batch_size) == (False, 32)
    few, many = (load(batched.artifact, 1).logits_by_length(texts, size) for size in (5, 64))
    assert np.array_equal(few, many), "whatever size is asked for"
    assert {"quantize/agreement", "quantize/batch_agreement"} <= batched.metrics.keys()
    assert 0.9 <= batched.metrics["quantize/batch_agreement"] <= 1


def test_throughput_is_measured_as_texts_are_answered(quantized: Quantized, monkeypatch: pytest.MonkeyPatch) -> None:
    for batched, expected in ((False, [1] * 64), (True, [32, 32])):
        server, seen = Server(), list[int]()
        server.load(str(quantized(batched=batched).artifact), 1, [])
        monkeypatch.setattr(server._classifier, "logits", lambda texts, seen=seen: seen.append(len(texts)))
        server.throughput([f"text {number}" for number in range(64)], batch_size=64)
        assert seen == expected


def test_matrices_and_embeddings_are_int8(quantized: Quantized) -> None:
    tensors = stored(quantized().artifact)
    assert not [name for name, tensor in tensors.items() if tensor.dtype == np.float32 and tensor.ndim > 1]
    words = [tensor for tensor in tensors.values() if tensor.shape == (141, 32)]  # the tiny backbone's vocabulary
    assert len(words) == 1 and words[0].dtype in (np.uint8, np.int8)


@pytest.mark.parametrize("make", [distilbert, roberta, pruned])
def test_every_architecture_can_be_quantized(make: Callable[[], Any], tmp_path: Path) -> None:
    graph = Graph(random_network(make), tmp_path)
    quantize(tmp_path / "model.onnx", tmp_path / "int8.onnx", True, int8_support().reduce_range, tmp_path)
    ids = np.random.default_rng(0).integers(5, 90, (20, 12))
    fp32 = graph.forward(ids, np.ones_like(ids))
    opened = session(tmp_path / "int8.onnx", 1)
    int8 = np.concatenate([opened.run(["logits"], {"input_ids": row[None]})[0] for row in ids])
    assert np.abs(int8 - fp32).mean() < 0.2 * fp32.std(axis=0).mean()


def test_a_reduced_range_is_seven_bits(quantized: Quantized) -> None:
    seven, eight = (quantized(reduce_range=setting).artifact for setting in ("always", "never"))
    assert largest_weight(seven) <= 64 < largest_weight(eight) <= 128
    for artifact, bits in ((seven, 7), (eight, 8)):
        assert Description.read(artifact).int8_bits == bits
        says = session(graph_of(artifact), 1).get_modelmeta().custom_metadata_map
        assert {key: says[key] for key in int8_properties(bits)} == int8_properties(bits)
        assert any(f"weights of {bits} bits" in note for note in notes(artifact))


def test_what_auto_comes_to_decides_the_fingerprint(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    optim = composed("optim=baseline_onnx_int8", "backbone=tiny").optim
    seen = []
    for support in (HAS, LACKS, HAS):
        monkeypatch.setattr("pipeline.system.cpu.int8_support", lambda support=support: support)
        seen.append(plan(optim, context)[-1])
    assert [recipe.inputs["reduce_range"] for recipe in seen] == [False, True, False]
    assert seen[0].fingerprint == seen[2].fingerprint != seen[1].fingerprint


def test_the_stage_that_is_quantized_stays_as_it_was(quantized: Quantized, context: Context, tmp_path: Path) -> None:
    source = quantized().stages[1].artifact
    before = listing(source)
    for folder in ("artifact", "scratch"):
        (tmp_path / folder).mkdir()
    QuantizeOnnxDynamic("quantize_onnx_dynamic").make(
        replace(context, source=source), tmp_path / "artifact", tmp_path / "scratch"
    )
    assert listing(source) == before


def test_it_warns_where_int8_is_not_faster_and_where_predictions_change(
    quantized: Quantized, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = quantized().stages[1].artifact
    monkeypatch.setattr("pipeline.steps.quantize_onnx_dynamic.int8_support", lambda: LACKS)
    monkeypatch.setattr("pipeline.steps.shared.agreement.MIN_AGREEMENT", 1.1)
    for folder in ("artifact", "scratch"):
        (tmp_path / folder).mkdir()
    step = QuantizeOnnxDynamic("quantize_onnx_dynamic", per_channel=False)
    step.make(replace(context, source=source), tmp_path / "artifact", tmp_path / "scratch")
    slow, changed = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert slow == "warning: int8 makes the classifier smaller, but gains little speed here: it lacks VNNI"
    assert changed.endswith(" of the predictions stay the same after this step; try per_channel=true")


def test_it_takes_an_onnx_classifier_only() -> None:
    optim = composed("optim=baseline", "+step@optim.steps.q=quantize_onnx_dynamic").optim
    with pytest.raises(
        ConfigError, match=r"optim\.steps\.q: quantize_onnx_dynamic takes onnx, but the step before gives torch"
    ):
        check_order(optim, Backbone("any"))


def test_an_artifact_that_was_quantized_on_another_kind_of_processor_says_so_when_it_is_loaded(
    quantized: Quantized, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = shutil.copytree(quantized().artifact, tmp_path / "artifact")
    described = Description.read(artifact)
    assert described.int8_for == int8_instructions()
    caplog.clear()
    load(artifact, threads=1)
    assert not caplog.records
    replace(described, int8_for="instructions of old").write(artifact)
    load(artifact, threads=1)
    (record,) = caplog.records
    assert "instructions of old" in record.getMessage() and int8_instructions() in record.getMessage()
    assert "\n" not in record.getMessage()
    monkeypatch.setattr("pipeline.runtimes.base.int8_support", lambda: LACKS)
    for bits, told in ((7, "some answers may differ"), (8, "Here sums saturate (it lacks VNNI)")):
        caplog.clear()
        replace(described, int8_for="instructions of old", int8_bits=bits).write(artifact)
        load(artifact, threads=1)
        (record,) = caplog.records
        assert told in record.getMessage() and "\n" not in record.getMessage()
