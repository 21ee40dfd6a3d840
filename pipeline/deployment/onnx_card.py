"""The part of a model card that says how others run an ONNX graph, and what they do in another way."""

from collections.abc import Sequence

from pipeline.runtimes.onnx_notes import in_javascript, in_python
from pipeline.tasks import Task


def how_to_load(repository: str, task: Task, local: bool = False) -> str:
    """With transformers.js, with plain ONNX Runtime, with Optimum; local: it is a directory."""
    python = in_python(task).replace("DIR", repository)
    if not local:
        python = python.replace(f'Path("{repository}")', f'Path(snapshot_download("{repository}"))')
        python = python.replace(
            "import onnxruntime\n", "import onnxruntime\nfrom huggingface_hub import snapshot_download\n"
        )
    return "\n\n".join(
        [
            f"In Node.js and in a browser:\n\n```js\n{in_javascript(task).replace('NAME', repository)}```",
            f"In Python:\n\n```python\n{python}```",
            f'`optimum.onnxruntime.ORTModelForSequenceClassification.from_pretrained("{repository}")` loads it too.',
        ]
    )


def differences(notes: Sequence[str]) -> list[str]:
    """The section with a runtime's notes; no section where there are none."""
    return ["## What others do in another way\n\n" + "\n".join(f"- {note}" for note in notes)] if notes else []
