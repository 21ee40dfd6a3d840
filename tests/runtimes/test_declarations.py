"""Every runtime declares all that others ask of it, and a new one is one file."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pipeline.runtimes
from pipeline.deployment.handler import compose
from pipeline.deployment.registry import requirements
from pipeline.evaluation.doctor import page
from pipeline.evaluation.doctor.examine import examine
from pipeline.evaluation.doctor.findings import findings
from pipeline.evaluation.doctor.texts import SENTENCES
from pipeline.evaluation.size import size_of
from pipeline.models.pooling import pool
from pipeline.runtimes import torch_int8
from pipeline.runtimes.base import Description, PublishedForm, Runtime, all_runtimes, load, packages_of, runtime_of
from pipeline.runtimes.onnx_folder import FP32, place_for
from pipeline.runtimes.onnx_graph import export
from pipeline.runtimes.static import quantized
from pipeline.runtimes.torch import read, read_tokenizer, save, save_compact
from pipeline.system.cpu import has_bfloat16
from pipeline.tracking.contents import environment
from tests.runtimes.test_compact import LABELS, TEXTS, network, smaller, stored

pytestmark = pytest.mark.slow

Make = Callable[[Path], object]
README = Path(pipeline.runtimes.__file__).parent / "README.md"


def described(runtime: str, artifact: Path) -> Description:
    artifact.mkdir(parents=True, exist_ok=True)
    stored(network(), artifact.parent / "source")
    shutil.copy(artifact.parent / "source" / "tokenizer.json", artifact)
    return replace(Description.read(artifact.parent / "source"), runtime=runtime)


def make_int8(artifact: Path) -> None:
    description, model = described("torch_int8", artifact), network()
    torch_int8.quantize(model, per_channel=True)
    torch_int8.save(model, read_tokenizer(artifact.parent / "source"), description, artifact)


def make_onnx(artifact: Path) -> None:
    described("onnx", artifact).write(artifact)
    export(network(), place_for(artifact, FP32))


def make_openvino(artifact: Path, precision: str = "f32") -> None:
    from pipeline.runtimes.openvino import library

    if find_spec("openvino") is None:
        pytest.skip("the extra openvino is not installed")
    described("openvino", artifact).write(artifact)
    export(network(), artifact.parent / "exported.onnx")
    converted = library().convert_model(str(artifact.parent / "exported.onnx"))
    library().save_model(converted, str(artifact / "model.xml"), compress_to_fp16=False)
    (artifact / "openvino.json").write_text(f'{{"precision": "{precision}"}}')


def make_static(artifact: Path) -> None:
    from safetensors.numpy import save_file

    described("static", artifact).write(artifact)
    draw = np.random.default_rng(0).normal
    vectors, scales = quantized(draw(size=(141, 8)).astype(np.float32))
    shapes = {"inner.weight": (8, 8), "inner.bias": (8,), "outer.weight": (3, 8), "outer.bias": (3,)}
    layers = {name: draw(size=shape).astype(np.float32) for name, shape in shapes.items()}
    save_file({"vectors": vectors, "scales": scales} | layers, artifact / "static.safetensors")


def make_tfidf(artifact: Path) -> None:
    from safetensors.numpy import save_file

    artifact.mkdir()
    Description("tfidf", LABELS, 64).write(artifact)
    (artifact / "features.json").write_text('["play", "song"]')
    ones = {"idf": np.ones(2), "weights": np.eye(2, 3), "bias": np.zeros(3)}
    save_file({name: values.astype(np.float32) for name, values in ones.items()}, artifact / "linear.safetensors")


def make_cascade(artifact: Path) -> None:
    artifact.mkdir()
    make_tfidf(artifact / "cheap")
    make_int8(artifact / "better")
    (artifact / "cascade.json").write_text('{"threshold": 0.5}')
    Description("cascade", LABELS, 64).write(artifact)


MAKERS: dict[str, Make] = {
    "cascade": make_cascade,
    "onnx": make_onnx,
    "openvino": make_openvino,
    "static": make_static,
    "tfidf": make_tfidf,
    "torch": lambda artifact: stored(network(), artifact, save),
    "torch_int8": make_int8,
}
FORMS = {"torch": PublishedForm.STANDARD, "onnx": PublishedForm.ONNX}
DEPENDENT = {"cascade", "torch_int8"}  # on what shares the batch


def test_there_is_a_maker_for_every_runtime() -> None:
    compiled = "torch_compiled"  # tests/steps/test_compile.py checks its own, which are dear
    assert [runtime.name for runtime in all_runtimes()] == sorted([*MAKERS, compiled])


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_runtime_declares_all_that_is_asked_of_it(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path / "artifact")
    check_declared(name, tmp_path / "artifact", tmp_path)


def check_declared(name: str, artifact: Path, folder: Path) -> None:
    """A runtime, of which there is an artifact with three labels, declares all that is asked of it."""
    runtime = runtime_of(artifact)
    assert runtime.name == name
    size = size_of(artifact)
    assert 0 < size.weights_bytes < size.total_bytes
    assert all(file.is_relative_to(artifact) for file in runtime.weight_files(artifact))
    for package in packages_of(artifact):
        assert version(package)  # it is a distribution that is installed
    assert set(packages_of(artifact)) <= environment()["versions"].keys()
    pinned = [f"{package}=={version(package).partition('+')[0]}" for package in packages_of(artifact)]
    assert requirements(artifact)[1:] == pinned
    assert runtime.published_form(artifact) is FORMS.get(name, PublishedForm.PROJECT)
    classifier = load(artifact, 1)
    assert classifier.batch_independent is (name not in DEPENDENT)
    alone, told = np.concatenate([classifier.logits([text]) for text in TEXTS]), list[int]()
    np.testing.assert_allclose(classifier.logits_by_length(TEXTS, 3, told.append), alone, atol=0.05)
    assert told == ([1] * len(TEXTS) if name in DEPENDENT else [3, 1])
    assert classifier.logits_by_length([], 3).shape == (0, len(LABELS))
    assert ("int8" in runtime.processor_features(artifact)) is (name in DEPENDENT)
    compose.write(shutil.copytree(artifact, folder / "handled"))  # it raises unless its handler answers as `load` does
    facts = examine(artifact, 1, SENTENCES[:3], folder)
    assert (facts.operators is None) is (runtime.profiler is None)
    assert facts.network is not None or facts.no_profile_reason not in ("", Runtime.no_profile_reason)
    assert sum(facts.sizes.values()) == size.total_bytes and min(facts.sizes.values()) >= 0
    plain = page.Page("x", ["y"], findings(facts), page.tables(facts)).plain()
    assert ("products are unknown" in plain) is (facts.network is None)
    if name == "torch_compiled":
        assert next(iter(facts.operators.shares)) == "compiled code"  # type: ignore[union-attr]
        assert ("The processor has instructions for bfloat16" in plain) is has_bfloat16()


def test_the_doctor_sees_products_and_times_of_openvino_and_its_bfloat16(tmp_path: Path) -> None:
    make_openvino(tmp_path / "artifact", "bf16")
    facts = examine(tmp_path / "artifact", 1, SENTENCES[:3], tmp_path)
    assert facts.network is not None and facts.operators is not None
    assert (len(facts.network.products), facts.network.layers, facts.network.quantized_share) == (20, 3, 0)
    assert facts.operators.shares["FullyConnected"] > 0 and facts.operators.int8 == 0
    vectors, positions = 4 * ((141 + 512 + 2) * 32 + 2 * 32), 8 * 512  # float32, the layer norm among them; int64
    assert facts.sizes["embeddings"] == pytest.approx(vectors + positions, rel=0.01)
    titles = {finding.title for finding in findings(replace(facts, flags=frozenset({"amx_bf16"})))}
    assert "The processor has instructions for bfloat16" in titles and "Faster instructions are not used" not in titles
    titles = {finding.title for finding in findings(replace(facts, flags=frozenset()))}
    assert "The processor has no instructions for bfloat16" in titles


def test_what_transformers_can_load_is_told_without_reading_the_weights(tmp_path: Path) -> None:
    source = stored(network(), tmp_path / "source")
    pooled = pool(network(), "mean")
    for name, model, form in (("smaller", smaller(), PublishedForm.CONVERTED), ("mean", pooled, PublishedForm.PROJECT)):
        (tmp_path / name).mkdir()
        save_compact(model, read_tokenizer(source), Description.read(source), tmp_path / name)
        assert runtime_of(tmp_path / name).published_form(tmp_path / name) is form
    runtime_of(tmp_path / "smaller").write_standard(tmp_path / "smaller", tmp_path / "written")
    np.testing.assert_allclose(
        load(tmp_path / "written", 1).logits(TEXTS), load(tmp_path / "smaller", 1).logits(TEXTS), atol=1e-5
    )
    with pytest.raises(ValueError, match="mean pooling"):
        runtime_of(tmp_path / "mean").write_standard(tmp_path / "mean", tmp_path / "never")
    assert read(tmp_path / "mean").config.pooling == "mean"


@pytest.mark.parametrize(("name", "told"), [("compact", "is not a runtime"), ("../evil", "is not a name")])
def test_what_is_no_runtime_is_told(name: str, told: str, tmp_path: Path) -> None:
    Description(name, LABELS, 64).write(tmp_path)
    with pytest.raises(ValueError, match=told):
        load(tmp_path, 1)


def test_a_new_runtime_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added, artifact = tmp_path / "added", tmp_path / "artifact"
    added.mkdir()
    code: Any = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (added / "words.py").write_text(code[1], encoding="utf-8")
    monkeypatch.setattr(pipeline.runtimes, "__path__", [*pipeline.runtimes.__path__, str(added)])
    artifact.mkdir()
    (artifact / "words.txt").write_text("play song pizza")
    np.save(artifact / "matrix.npy", np.eye(3, dtype=np.float32))
    Description("words", LABELS, 64).write(artifact)
    assert load(artifact, 1).logits_by_length(["a pizza", "play a song"], 8).tolist() == [[0, 0, 1], [1, 1, 0]]
    assert size_of(artifact).weights_bytes == (artifact / "matrix.npy").stat().st_size
    assert [line.partition("==")[0] for line in requirements(artifact)] == ["mlflow", "numpy"]
    assert runtime_of(artifact).published_form(artifact) is PublishedForm.PROJECT
    assert "words" in [runtime.name for runtime in all_runtimes()] and "numpy" in environment()["versions"]
    facts = examine(artifact, 1, SENTENCES[:3], tmp_path)
    plain = page.Page("x", ["y"], findings(facts), page.tables(facts)).plain()
    assert "one product of NumPy" in plain and facts.sizes["rest of the model"] > 0
