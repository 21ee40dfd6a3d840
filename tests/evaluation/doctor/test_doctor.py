"""The doctor: its metrics are those of the artifact, its findings follow from them, a run gets its page."""

import shutil
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from pipeline.errors import OptimizationError
from pipeline.evaluation.doctor import graph, page
from pipeline.evaluation.doctor.examine import examine
from pipeline.evaluation.doctor.facts import Facts, Network, Operators, Product
from pipeline.evaluation.doctor.finding import Level
from pipeline.evaluation.doctor.findings import findings
from pipeline.evaluation.doctor.parts import part_of, sizes
from pipeline.evaluation.doctor.texts import SENTENCES
from pipeline.evaluation.size import size_of
from pipeline.runtimes import torch_int8
from pipeline.runtimes.base import Description
from pipeline.runtimes.onnx_dynamic import quantize
from pipeline.runtimes.onnx_folder import FP32 as MODEL
from pipeline.runtimes.onnx_graph import export, fuse
from pipeline.runtimes.torch import read, read_tokenizer
from tests.runtimes.test_compact import network, sparse, stored

TEXTS = SENTENCES[:6]
NAMES = ("torch", "sparse", "torch_int8", "onnx", "onnx_int8")
WEIGHTS = 3 * (4 * 32 * 32 + 2 * 32 * 48) + 32 * 32 + 3 * 32  # of three layers, the pooler and the head


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One small network, as an artifact of each runtime and format; and one with zeros."""
    folder = tmp_path_factory.mktemp("artifacts")
    made = {"torch": stored(network(), folder / "torch"), "sparse": stored(sparse(), folder / "sparse")}
    model, tokenizer, description = read(made["torch"]), read_tokenizer(made["torch"]), Description.read(made["torch"])
    for name in ("onnx", "onnx_int8", "torch_int8"):
        made[name] = folder / name
        (made[name] / "onnx").mkdir(parents=True)
    export(model, folder / "exported.onnx")
    fuse(folder / "exported.onnx", made["onnx"] / MODEL, 64)
    quantize(made["onnx"] / MODEL, made["onnx_int8"] / MODEL, True, True, folder)
    for name in ("onnx", "onnx_int8"):
        shutil.copy(made["torch"] / "tokenizer.json", made[name])
        replace(description, runtime="onnx").write(made[name])
    torch_int8.quantize(model, per_channel=True)
    torch_int8.save(model, tokenizer, replace(description, runtime="torch_int8"), made["torch_int8"])
    return made


@pytest.fixture(scope="module")
def examined(artifacts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Facts]:
    return {name: examine(artifacts[name], 1, TEXTS, tmp_path_factory.mktemp(name)) for name in NAMES}


def seen(facts: Facts) -> tuple[Network, Operators]:
    assert facts.network is not None and facts.operators is not None
    return facts.network, facts.operators


@pytest.mark.parametrize(
    ("name", "products", "share"),
    [("torch", 20, 0), ("torch_int8", 20, 1), ("onnx", 14, 0), ("onnx_int8", 14, 1)],  # fused: query, key and value are one
)
def test_every_product_with_weights_is_found_and_is_int8_where_it_was_quantized(
    examined: dict[str, Facts], name: str, products: int, share: float
) -> None:
    found, _ = seen(examined[name])
    assert (len(found.products), found.quantized_share, found.layers) == (products, share, 3)
    assert sum(product.elements for product in found.products) == WEIGHTS


def test_a_graph_that_is_quantized_in_part_says_which_products_are_not(artifacts: dict[str, Path], tmp_path: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    half = Path(shutil.copytree(artifacts["onnx"], tmp_path / "half"))
    attention = ("Attention_0", "Attention_1", "Attention_2")
    options = {"DefaultTensorType": onnx.TensorProto.FLOAT}
    quantize_dynamic(artifacts["onnx"] / MODEL, half / MODEL, nodes_to_exclude=attention, extra_options=options)
    facts = examine(half, 1, TEXTS, tmp_path)
    assert seen(facts)[0].quantized_share == pytest.approx(1 - 3 * 3 * 32 * 32 / WEIGHTS)
    found = {finding.title: finding for finding in findings(facts)}["Some matrix products are not quantized"]
    assert "11 of 14" in found.evidence and "Attention_0 (3,072 weights)" in found.evidence


def test_weights_that_are_stored_in_int8_and_multiplied_as_fp32_are_not_quantized(tmp_path: Path) -> None:
    helper, kind = onnx.helper, onnx.TensorProto
    nodes = [helper.make_node("DequantizeLinear", ["w", "s"], ["d"]), helper.make_node("MatMul", ["x", "d"], ["y"])]
    weights = [helper.make_tensor("w", kind.INT8, [2, 3], [0, 1, 2, 0, 3, 4])]
    weights.append(helper.make_tensor("s", kind.FLOAT, [], [0.1]))
    ends = [[helper.make_tensor_value_info(name, kind.FLOAT, [1, size])] for name, size in (("x", 2), ("y", 3))]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", *ends, weights)), tmp_path / "g.onnx")
    assert graph.read(tmp_path / "g.onnx").products == (Product("MatMul", 6, 2, quantized=False),)


@pytest.mark.parametrize("name", NAMES)
def test_shares_of_operators_and_sizes_of_parts_are_all_there_is(
    examined: dict[str, Facts], artifacts: dict[str, Path], name: str
) -> None:
    facts, (_, operators) = examined[name], seen(examined[name])
    assert sum(operators.shares.values()) == pytest.approx(1)
    assert list(operators.shares.values()) == sorted(operators.shares.values(), reverse=True)
    assert 0 < operators.matrix < 1 and 0 < facts.tokenization < 1
    assert (operators.int8 > 0) is name.endswith("int8")
    assert sum(facts.sizes.values()) == size_of(artifacts[name]).total_bytes
    assert min(facts.sizes.values()) >= 0


def test_the_parts_of_an_fp32_network_have_the_bytes_of_their_weights(examined: dict[str, Facts]) -> None:
    for name in ("torch", "onnx"):
        parts = examined[name].sizes
        norm = 2 * 32
        assert parts["embeddings"] == pytest.approx(4 * ((141 + 512 + 2) * 32 + norm), rel=0.01)
        assert parts["attention"] == pytest.approx(4 * 3 * (4 * 32 * 33 + norm), rel=0.01)
        assert parts["feed-forward"] == pytest.approx(4 * 3 * (2 * 32 * 48 + 48 + 32 + norm), rel=0.01)
        assert parts["pooler and classifier"] == pytest.approx(4 * (32 * 33 + 3 * 33), rel=0.01)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("bert.embeddings.LayerNorm.bias", "embeddings"),
        ("distilbert.transformer.layer.0.attention.q_lin.weight", "attention"),
        ("distilbert.transformer.layer.3.ffn.lin1.weight", "feed-forward"),
        ("/model/roberta/encoder/layer.1/output/dense/MatMul_quant", "feed-forward"),
        ("roberta.encoder.layer.1.attention.output.dense.weight", "attention"),
        ("pre_classifier.weight", "pooler and classifier"),
        ("onnx::MatMul_328", None),
    ],
)
def test_names_of_weights_tell_their_part(name: str, part: str | None) -> None:
    assert part_of(name) == part


def test_zeros_are_counted(examined: dict[str, Facts]) -> None:
    assert seen(examined["torch"])[0].zeros_share == 0
    assert seen(examined["sparse"])[0].zeros_share == pytest.approx(0.8, abs=0.05)
    titles = {finding.title: finding.level for finding in findings(examined["sparse"])}
    assert titles["Zeros in matrices do not make it faster"] is Level.PROBLEM


def test_fusions_are_counted_against_layers(examined: dict[str, Facts]) -> None:
    for name in ("onnx", "onnx_int8"):
        (found,) = [finding for finding in findings(examined[name]) if finding.title == "The graph is fused"]
        for text in ("attention: 3 of 3", "layer norm: 6 of 6", "GELU: 3 of 3", "the embeddings are."):
            assert text in found.evidence
        assert ("scales: 14 of 14" in found.evidence) is (name == "onnx_int8")
    assert "torch runs operators one by one: hardly any are fused" in {item.title for item in findings(examined["torch"])}


def test_a_graph_that_was_exported_and_not_fused_is_noticed(artifacts: dict[str, Path], tmp_path: Path) -> None:
    plain = Path(shutil.copytree(artifacts["onnx"], tmp_path / "plain"))
    export(read(artifacts["torch"]), plain / MODEL)
    (found,) = [item for item in findings(examine(plain, 1, TEXTS, tmp_path)) if "not fused" in item.title]
    assert found.level is Level.PROBLEM and "attention: 0 of 3" in found.evidence and 0 < found.share < 1


def test_the_page_is_narrow_and_says_the_same_in_markdown(examined: dict[str, Facts]) -> None:
    for facts in examined.values():
        made = page.Page("x: why is it not faster?", ["head " * 50], findings(facts), page.tables(facts))
        assert max(map(len, made.plain().splitlines())) <= 110
        for finding in made.findings:
            assert finding.title in made.plain() and finding.title in made.markdown() and finding.evidence in made.markdown()
        assert len(made.tables["Time by operator, share of all operators"]) <= 9
        assert "together" in made.plain() and made.markdown().count("| --- | ---: |") == 2


def test_a_broken_artifact_is_one_line(artifacts: dict[str, Path], tmp_path: Path) -> None:
    broken = Path(shutil.copytree(artifacts["onnx"], tmp_path / "broken"))
    (broken / MODEL).write_bytes(b"no graph")
    with pytest.raises(OptimizationError) as caught:
        examine(broken, 1, TEXTS, tmp_path)
    assert str(broken) in str(caught.value) and "\n" not in str(caught.value)


def test_every_size_of_an_unknown_file_is_counted(tmp_path: Path) -> None:
    for name, size in (("vocab.txt", 3), ("notes.md", 5)):
        (tmp_path / name).write_bytes(bytes(size))
    found = sizes(tmp_path, [])
    assert (found["tokenizer"], found["other files"], sum(found.values())) == (3, 5, 8)
