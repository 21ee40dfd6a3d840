"""The model card: metadata for the Hub, how the classifier is loaded, the measured table."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.deployment import onnx_card
from pipeline.deployment.forms import Form
from pipeline.runtimes.base import Description, PublishedForm

WRITTEN_OUT_NOTE = "\n\nA compact form of this network was measured. The form for transformers is larger and not faster."
WINDOWS_NOTE = "\n\nLong texts were measured in windows, which this joins; transformers reads their beginning:\n\n"
RULE_NOTE = "\n\nThe decision rule (`classifier.json`) was measured too. It is applied by this, not by transformers:\n\n"
LOAD_WITH_TRANSFORMERS = """from transformers import pipeline

print(pipeline("text-classification", model="{repository}", truncation=True{arguments})({example}))"""
DOWNLOAD = "from huggingface_hub import snapshot_download\n\n"
LOAD_WITH_HANDLER = """import runpy

{download}folder = {folder}
classify = runpy.run_path(f"{{folder}}/handler.py")["EndpointHandler"](folder)  # needs {packages}
print(classify({{"inputs": [{example}]}})[0]["{field}"])"""
LOAD_WITH_PROJECT = """from pathlib import Path
from huggingface_hub import snapshot_download
from pipeline.deployment.serve.answers import Answerer  # from the project classifier-compression-pipeline

answer = Answerer(Path(snapshot_download("{repository}")))
print(answer([{example}])[0].{field})"""
LIBRARIES = {PublishedForm.PROJECT: None, PublishedForm.ONNX: "transformers.js"}  # others: transformers
EXAMPLES = {  # of transformers and a handler, and of ours, by whether the inputs are pairs
    False: ('"a text to classify"', '"a text to classify"'),
    True: ('{"text": "a text", "text_pair": "another"}', '("a text", "another")'),
}


@dataclass(frozen=True)
class Card:
    """The contents of the model card."""

    optim: str
    data: str
    backbone: str
    steps: tuple[str, ...]
    table_markdown: str  # the measured comparison
    plot: Path  # of the comparison
    metrics: Mapping[str, float]  # by their names in MLflow
    labels: tuple[str, ...]
    base_models: tuple[str, ...] = ()  # repositories on the Hub


def model_card(repository: str, description: Description, form: Form, card: Card) -> str:
    """README.md of the repository: YAML front matter for the Hub, then Markdown."""
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    runtime = description.runtime
    results = [
        EvalResult(
            task_type="text-classification", dataset_type=card.data, dataset_name=card.data, dataset_split="test",
            metric_type="f1" if "F1" in name else "accuracy", metric_name=name, metric_value=value,
        )
        for name, value in _accuracies(description, card).items()
    ]  # fmt: skip
    front = ModelCardData(
        library_name=LIBRARIES.get(form.published, "transformers"), pipeline_tag="text-classification",
        tags=["model-compression", runtime], base_model=sorted(card.base_models) or None, metrics=["accuracy"],
        model_name=repository.rpartition("/")[2], eval_results=results,
    )  # fmt: skip
    return str(ModelCard(f"---\n{front.to_yaml()}\n---\n\n{_body(repository, description, form, card)}"))


def _accuracies(description: Description, card: Card) -> dict[str, float]:
    """The task's metrics on the test split by what they are of: transformers answers without the decision rule."""
    found = {}
    for key, name in description.kind.headlines.items():
        value, without = card.metrics[f"quality/{key}"], card.metrics.get(f"argmax/{key}")
        if description.rule.plain:
            found[name] = value
            continue
        found |= {} if without is None else {f"{name} without the decision rule": without}
        found[f"{name} with the decision rule"] = value
    return found


def how_to_load(place: str, description: Description, form: Form, local: bool = False) -> str:
    """Markdown: the code that loads what is in a repository, or in a local directory."""
    code = f"```python\n{_own_code(place, description, form, local)}\n```"
    if form.published is PublishedForm.PROJECT:
        return code
    if form.published is PublishedForm.ONNX:
        load = onnx_card.how_to_load(place, description.kind, local)
    else:
        task = description.kind
        arguments = {"example": EXAMPLES[task.pairs][0], "arguments": task.transformers_arguments}
        load = f"```python\n{LOAD_WITH_TRANSFORMERS.format(repository=place, **arguments)}\n```"
        load += WRITTEN_OUT_NOTE if form.published is PublishedForm.CONVERTED else ""
    notes = [] if description.rule.plain else [RULE_NOTE]
    notes += [] if description.window is None else [WINDOWS_NOTE]
    return load + ("".join(notes) + code if notes else "")


def _own_code(place: str, description: Description, form: Form, local: bool) -> str:
    """The code that answers as was measured: with `handler.py`, else with this project."""
    task = description.kind
    theirs, own = EXAMPLES[task.pairs]
    if not form.handler:
        return LOAD_WITH_PROJECT.format(repository=place, example=own, field=task.fields[0])
    folder = f'"{place}"' if local else f'snapshot_download("{place}")'
    return LOAD_WITH_HANDLER.format(
        download="" if local else DOWNLOAD, folder=folder, packages=", ".join(form.packages), example=theirs,
        field=task.fields[0],
    )  # fmt: skip


def _body(repository: str, description: Description, form: Form, card: Card) -> str:
    task = description.kind
    steps = "\n".join(f"{number}. {step}" for number, step in enumerate(card.steps, start=1))
    measured = ", ".join(f"{name} {value:.1%}" for name, value in _accuracies(description, card).items())
    return "\n\n".join(
        [
            f"# {repository.rpartition('/')[2]}",
            f"A classifier of {'pairs of texts' if task.pairs else 'texts'}, each with {task.number_of} {len(card.labels)} "
            f"labels: optimization `{card.optim}`, backbone `{card.backbone}`, trained and measured on `{card.data}`.",
            f"## How to load it\n\n{how_to_load(repository, description, form)}",
            *onnx_card.differences(form.notes),
            f"## What was measured\n\nOn the test split, of these weights: {measured}.",
            f"{card.table_markdown}\n\n![accuracy over latency]({card.plot.name})",
            f"## How it was made\n\n{steps}",
            f"## Labels\n\n{', '.join(f'`{label}`' for label in card.labels)}\n",
        ]
    )
