"""Which optimization works with which architecture: each is run on a tiny network with random weights.

Steps, files and runtimes are the real ones; a training is one step on one batch. The table is written into
`pipeline/models/README.md` with

    python -m tests.support.matrix
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.config import Weights
from pipeline.data.splits import Splits
from pipeline.errors import UserError
from pipeline.models.architectures import ARCHITECTURES
from pipeline.runtimes.base import Description, load
from pipeline.steps.base import Context
from pipeline.steps.execute import check_order, check_steps, run_steps
from pipeline.steps.store import Store
from pipeline.training.batches import Collator, tokenized
from tests.conftest import TOPICS, composed, shrunk, write_csv
from tests.support.families import TOKENIZERS, network

BEGIN, END = "<!-- written by python -m tests.support.matrix -->", "<!-- end -->"
ANY_OTHER = "roformer"  # a family that is not in the table
README = Path(__file__).resolve().parents[2] / "pipeline" / "models" / "README.md"
LABELS = sorted(TOPICS)
TEXTS = ["rain tomorrow", "no", "is it sunny, or will it rain?"]
LOW = "+step@optim.steps.low=low_rank", "optim.steps.low.embeddings=8", "optim.steps.low.feed_forward=8"
TRIM = "+step@optim.steps.trim=trim_vocabulary", "optim.steps.trim.vocab_size=100"
LAYER_LOSSES = "optim.steps.distill.hidden_loss_weight=1", "optim.steps.distill.relation_loss_weight=1"
TO_INT8 = "+step@optim.steps.export=export_onnx", "+step@optim.steps.int8=quantize_onnx_dynamic"
OPTIMS: Mapping[str, tuple[str, ...]] = {  # column of the table -> overrides
    "half the layers": ("optim=distilbert",),
    "student": ("optim=student_1l", *LAYER_LOSSES),
    "heads, neurons": ("optim=structured_pruning", *TO_INT8),
    "sparse": ("optim=movement_pruning",),
    "low rank": ("optim=baseline", *LOW),
    "vocabulary": ("optim=baseline", *TRIM),
    "static": ("optim=static_embeddings",),
    "int8": ("optim=baseline_int8",),
    "ONNX int8": ("optim=baseline_onnx_int8",),
    "mean pooling": ("optim=baseline_onnx",),  # of a backbone that pools so
    "ONNX static": ("optim=baseline_onnx_static", "optim.steps.quantize.agreement=0"),
    "ONNX 4 bit": ("optim=baseline_onnx_4bit",),
    "OpenVINO": ("optim=baseline_openvino",),
    "OpenVINO int8": ("optim=baseline_openvino_int8", "optim.steps.quantize.calibration_samples=10"),
}
FULL = ("deberta-v2", "modernbert", ANY_OTHER)
BRIEF = ("albert", "mpnet", "roberta", "xlm-roberta", "deberta", "nomic_bert")
READ = ("half the layers", "student", "heads, neurons", "sparse", "low rank", "vocabulary", "static", "int8")
TESTED = {  # what tests try again: NNCF takes long, and most families are built like one of these
    **dict.fromkeys(FULL, tuple(name for name in OPTIMS if name != "OpenVINO int8")),
    **dict.fromkeys(BRIEF, READ),
}


def one_step(
    model: Any, tokenizer: Any, training: Any, validation: Any, recipe: Any, scratch: Path, objective: Any = None,
    callbacks: Sequence[Any] = (), optimizer: Any = None,
) -> list[dict[str, float]]:  # fmt: skip
    """In place of `train`: one step on the first texts."""
    rows = [dict(row) for row in tokenized(training.select(range(8)), tokenizer, recipe.max_length, scratch)]
    batch = Collator(tokenizer, recipe.task, recipe.labels)(rows)
    labels, places = batch.pop("labels"), batch.pop("row")
    model.train()
    if objective is None:
        loss = recipe.task.losses(model(**batch).logits, labels).mean()
    else:
        loss = objective(model(**batch, **objective.forward_arguments), batch, labels, places)
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= 1e-3 * parameter.grad
    for callback in callbacks:
        callback.on_epoch_end(None, type("State", (), {"global_step": 1, "max_steps": 1})(), None)
    model.zero_grad()
    model.eval()
    return [{"epoch": 1, "train_loss": loss.item()}]


@contextmanager
def quick_training() -> Iterator[None]:
    """Trainings are one step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.training.trainer.train", one_step)
        yield


def backbone_of(family: str, folder: Path) -> dict[str, Any]:
    """The settings of a backbone whose teacher is a fine-tuned checkpoint of a family."""
    names = dict(enumerate(LABELS))
    model = network(family, num_hidden_layers=2, id2label=names, label2id={name: i for i, name in names.items()})
    model.save_pretrained(folder)
    TOKENIZERS[family]().save_pretrained(folder)
    teacher = Weights(path=str(folder), finetuned=True)
    return {"teacher": teacher, "student": Weights(from_teacher=True), "max_length": 16}


def tried(technique: str, backbone: Mapping[str, Any], splits: Splits, root: Path) -> str:
    """ "" where a technique works; else the line with which it is refused before anything is made."""
    config = composed(*OPTIMS[technique], "backbone=tiny")
    if technique == "mean pooling":
        backbone = {**backbone, "teacher": replace(backbone["teacher"], finetuned=False, pooling="mean")}
    config = shrunk(replace(config, backbone=replace(config.backbone, **backbone)))
    context = Context(splits, config.backbone, 0)
    try:
        check_order(config.optim, config.backbone, task=splits.task.name)
        check_steps(config.optim, context)
    except UserError as error:
        assert "\n" not in str(error)
        return str(error)
    with quick_training():
        made = run_steps(config.optim, context, Store(root))
    classifier = load(made.artifact, 1)
    alone = np.concatenate([classifier.logits([text]) for text in TEXTS])
    assert alone.shape == (len(TEXTS), len(LABELS)) and np.isfinite(alone).all()
    if Description.read(made.artifact).batched:
        np.testing.assert_allclose(classifier.logits(TEXTS), alone, atol=1e-4)
    return ""


def toy_splits(folder: Path) -> Splits:
    """A few texts of three topics."""
    rows = [(f"{phrase} {i}", label) for label, phrases in TOPICS.items() for phrase in phrases for i in range(4)]
    file = write_csv(folder / "toy.csv", rows)
    return composed("backbone=tiny", "data=files", "data.name=toy", f"data.train={file}").data.load(0)


def row_of(family: str, splits: Splits, folder: Path, techniques: Iterable[str] = OPTIMS) -> dict[str, str]:
    """What `tried` says of each technique for a family."""
    folder.mkdir(exist_ok=True)
    backbone = backbone_of(family, folder / family)
    return {name: tried(name, backbone, splits, folder / f"{family}-stages") for name in techniques}


def written() -> dict[str, dict[str, str]]:
    """What the README says: family -> technique -> "yes" or "no"."""
    _, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    header, _, *rows = (line for line in rest.partition(END)[0].splitlines() if line.startswith("| "))
    names = _cells(header)[1:]
    return {_cells(row)[0]: dict(zip(names, _cells(row)[1:], strict=True)) for row in rows}


def _cells(line: str) -> list[str]:
    return [cell.strip(" `") for cell in line.strip("| ").split(" | ")]


def table(rows: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The table in Markdown, and why what is refused is refused."""
    lines = [f"| architecture | {' | '.join(OPTIMS)} |", f"| --- |{' --- |' * len(OPTIMS)}"]
    lines += [f"| `{name}` | {' | '.join('no' if said else 'yes' for said in row.values())} |" for name, row in rows.items()]
    reasons = dict.fromkeys(said.partition(": ")[2] for row in rows.values() for said in row.values() if said)
    return [*lines, "", *(f"- no: *{reason}*" for reason in reasons)]


def main() -> None:
    """Try all and write the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        splits = toy_splits(folder)
        rows = {family: row_of(family, splits, folder) for family in (*ARCHITECTURES, ANY_OTHER)}
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text("\n".join([f"{before}{BEGIN}", "", *table(rows), "", f"{END}{after}"]), encoding="utf-8")


if __name__ == "__main__":
    main()
