"""An ONNX artifact gives the same labels in plain ONNX Runtime, in Node.js and in a browser."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pipeline.deployment
from pipeline.models.build import checkpoint
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.onnx_folder import FP32, place_for, write_beside
from pipeline.runtimes.onnx_graph import export, fuse
from pipeline.runtimes.onnx_notes import IN_PYTHON, notes
from pipeline.runtimes.torch import save
from pipeline.steps.base import Context
from pipeline.steps.execute import run_steps
from pipeline.steps.export_onnx import ExportOnnx
from pipeline.steps.quantize_onnx_dynamic import QuantizeOnnxDynamic
from pipeline.steps.store import Store
from tests.conftest import TOPICS, composed, small, write_csv
from tests.runtimes.test_pairs import bert
from tests.support.elsewhere import Labels, in_browser, in_node
from tests.support.families import LABELS, POSITIONS, TOKENIZERS, checkpoint_of

pytestmark = pytest.mark.slow

FORMS = ("baseline_onnx", "baseline_onnx_int8", "baseline_onnx_static", "baseline_onnx_4bit")
LEARNS = [
    f"backbone.teacher.finetune.{setting}"
    for setting in ("epochs=12", "learning_rate=5e-3", "batch_size=8", "freeze_embeddings=false", "label_smoothing=0")
]
FAMILIES = {"roberta": 130, "xlm-roberta": 130, "deberta-v2": 128}  # positions; other tokenizers, other graphs
PHRASES = [phrase for phrases in TOPICS.values() for phrase in phrases]
JOINED = [f"{phrase}{between}{other}" for phrase in PHRASES for other in PHRASES for between in (", ", " 🎉 ")]
TEXTS = ["", " ", "Naïve café?!", "日本", "A  B\tC 👍", *JOINED]
CLEAR = 0.1  # of the logits' standard deviation
README = Path(pipeline.deployment.__file__).parent / "README.md"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, toy_rows: list[tuple[str, str]]) -> Path:
    """A folder with an artifact of each form, and of each family in fp32 and int8."""
    folder = tmp_path_factory.mktemp("elsewhere")
    overrides = [*small(folder, write_csv(folder / "toy.csv", toy_rows)), *LEARNS]
    (folder / "models").mkdir()
    for name in FORMS:
        config = composed(f"optim={name}", *overrides)
        context = Context(config.data.load(0), config.backbone, 0)
        made = run_steps(config.optim, context, Store(folder))
        (folder / "models" / name).symlink_to(made.artifact)
    for family in FAMILIES:
        _family(family, context, folder / "models")
    return folder / "models"


def _family(family: str, context: Context, models: Path) -> None:
    """Write FAMILY-fp32 and FAMILY-int8, of random weights."""
    places = [models.parent / f"{family}-torch", models / f"{family}-fp32", models / f"{family}-int8"]
    for place in (*places, models.parent / f"{family}-scratch"):
        place.mkdir()
    own = checkpoint_of(family, models.parent / f"{family}-own", max_position_embeddings=FAMILIES[family])
    model, tokenizer = checkpoint(own, LABELS, 128)
    with torch.no_grad():
        _center(model, model(**tokenizer(TEXTS[:50], padding=True, return_tensors="pt")).logits.numpy())
    save(model, tokenizer, Description("torch", LABELS, 128), places[0])
    steps = (ExportOnnx("export_onnx"), QuantizeOnnxDynamic("quantize_onnx_dynamic"))
    for step, source, target in zip(steps, places[:-1], places[1:], strict=True):
        step.make(Context(context.splits, context.backbone, 0, source), target, models.parent / f"{family}-scratch")


def _center(model: Any, logits: np.ndarray) -> None:
    """Change the classifier so that none of three labels is that of all texts."""
    (bias,) = (each for name, each in model.named_parameters() if name.startswith("classifier") and each.shape == (3,))
    with torch.no_grad():
        bias -= torch.from_numpy(logits.mean(axis=0))


@pytest.fixture(scope="module")
def asked(models: Path) -> list[str]:
    """200 texts whose answers are no ties: a rounded activation of an int8 graph may decide a tie."""
    clear = np.ones(len(TEXTS), dtype=bool)
    for folder in models.iterdir():
        logits = load(folder, 1).logits_by_length(TEXTS, 32)
        second, first = np.sort(logits, axis=1)[:, -2:].T
        clear &= first - second > CLEAR * logits.std()
    found = [TEXTS[row] for row in np.flatnonzero(clear)[:200]]
    assert len(found) == 200
    return found


@pytest.fixture(scope="module")
def expected(models: Path, asked: list[str]) -> Labels:
    """The labels here, by folder."""
    found = {}
    for folder in sorted(models.iterdir()):
        classifier = load(folder, 1)
        found[folder.name] = [classifier.labels[row] for row in classifier.logits_by_length(asked, 32).argmax(axis=1)]
    assert all(len(set(labels)) > 1 for labels in found.values())
    return found


def require_same(texts: list[str], found: Labels, expected: Labels) -> None:
    assert found.keys() == expected.keys()
    others = [
        (name, text, here, there)
        for name in expected
        for text, here, there in zip(texts, expected[name], found[name], strict=True)
        if here != there
    ]
    assert not others


def test_fifteen_lines_of_plain_onnx_runtime_give_the_same_labels(models: Path, asked: list[str], expected: Labels) -> None:
    code = IN_PYTHON
    assert f"```python\n{code}```" in README.read_text(encoding="utf-8")
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 15
    texts = re.search(r"in (\[.*?\]):", code)
    assert texts is not None and '"DIR"' in code
    whole = code.replace(texts[1], repr(asked)).replace("print(", "said.append(")
    around = f"import sys\nfor name in {sorted(expected)!r}:\n    said = []\n    exec({whole!r}.replace('DIR', name))\n"
    program = around + "    print('|'.join(said))\nassert not {'torch', 'transformers', 'pipeline'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=models, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = dict(zip(sorted(expected), (line.split("|") for line in done.stdout.splitlines()), strict=True))
    require_same(asked, found, expected)


def test_transformers_js_gives_the_same_labels_in_node(models: Path, asked: list[str], expected: Labels) -> None:
    require_same(asked, in_node(models, sorted(expected), asked), expected)


def test_transformers_js_answers_pairs_with_their_token_types(tmp_path: Path) -> None:
    torch_artifact, artifact = tmp_path / "torch", tmp_path / "onnx"
    for folder in (torch_artifact, artifact):
        folder.mkdir()
    model, tokenizer = bert(), TOKENIZERS["bert"]()
    pairs = [(one, other) for one in PHRASES for other in PHRASES if len(tokenizer(one, other)["input_ids"]) <= POSITIONS]
    save(model, tokenizer, Description("torch", LABELS, POSITIONS, task="single_label_pairs"), torch_artifact, pairs)
    _center(model, load(torch_artifact, 1).logits(pairs))
    export(model, tmp_path / "exported.onnx", typed=True)
    fuse(tmp_path / "exported.onnx", place_for(artifact, FP32), POSITIONS)
    write_beside(torch_artifact, artifact, replace(Description.read(torch_artifact), runtime="onnx"))
    logits = load(artifact, 1).logits(pairs)
    found, expected = in_node(tmp_path, ["onnx"], pairs)["onnx"], [LABELS[row] for row in logits.argmax(axis=1)]
    assert Description.read(artifact).inputs == ["input_ids", "attention_mask", "token_type_ids"]
    assert len(pairs) > 50 and len(set(expected)) > 1 and found == expected


def test_transformers_js_gives_the_same_labels_in_a_browser(
    models: Path, asked: list[str], expected: Labels, tmp_path: Path
) -> None:
    four_bits = [name for name in expected if "WebAssembly" in " ".join(notes(models / name))]
    assert four_bits == ["baseline_onnx_4bit"], "an operator of it is not there"
    others = {name: labels for name, labels in expected.items() if name not in four_bits}
    require_same(asked, in_browser(models, sorted(others), asked, tmp_path), others)
