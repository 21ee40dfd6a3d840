"""Joins pieces to `handler.py` in a folder that has an artifact, and checks that it answers as this project does."""

import ast
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.deployment.handler.plain_weights import FILE as WEIGHTS
from pipeline.deployment.handler.plain_weights import changes_of
from pipeline.deployment.serve.answers import Answerer
from pipeline.errors import PublishError
from pipeline.runtimes.base import DESCRIPTION, TOKENIZER, Description, packages_of, runtime_of
from pipeline.tasks.inputs import Input, shown, to_json

FILE = "handler.py"
PIECES = Path(__file__).parent
ANSWERS = {"label": "one_label", "labels": "several_labels"}  # by `Task.form`
TOLERANCE = 1e-4  # of scores
PROBES = ("", "a", "is it sunny?", "Play a SONG, please! naïve café 日本語", "a text that is cut " * 200, "pizza", "order")
EXAMPLES = {False: '"a text"', True: '{"text": "a text", "text_pair": "another"}'}  # by whether the inputs are pairs
HEAD = '''"""Answers texts with the files beside it, as was measured. It needs {packages}.

    from handler import EndpointHandler

    print(EndpointHandler("DIRECTORY")({{"inputs": [{example}]}}))
"""

'''


def known(form: str) -> bool:
    """Whether there are pieces for what a step gives (`Step.gives`), such as "onnx_int8"."""
    names = (file.stem for file in PIECES.glob("*.py"))
    return any(f"{form}_".startswith(f"{name}_") for name in names)


def write(folder: Path) -> None:
    """Write `handler.py` into a folder that has an artifact, and into each artifact inside of it.

    `weights.safetensors` is written out in its plain form. Raises PublishError where no handler can be written, or where it
    would answer otherwise than the artifact.
    """
    for part in sorted(folder.glob(f"*/{DESCRIPTION}")):
        write(part.parent)
    description = replace(Description.read(folder), batched=runtime_of(folder).batch_independent(folder))
    description.write(folder)
    names, changes = _pieces(folder, description)
    packages, pairs = ", ".join(packages_of(folder)), description.kind.pairs
    text = HEAD.format(packages=packages, example=EXAMPLES[pairs]) + joined(names, changes)
    (folder / FILE).write_text(text, encoding="utf-8")
    _require_same_answers(folder, list(zip(PROBES, reversed(PROBES), strict=True)) if pairs else PROBES)


def _pieces(folder: Path, description: Description) -> tuple[list[str], list[str]]:
    """The names of the modules here that make the handler, and of these the functions that change the network."""
    runtime = description.runtime
    if (PIECES / f"{runtime}.py").is_file() and list(folder.glob(f"*/{DESCRIPTION}")):
        return [runtime], []
    changes = changes_of(folder) if (folder / WEIGHTS).is_file() else []
    network = "torch_parts" if (folder / WEIGHTS).is_file() else runtime
    if not (PIECES / f"{network}.py").is_file():
        raise PublishError(f"no handler.py can be written for the runtime {runtime}; end the optimization with export_onnx")
    abstains = "_or_abstain" if (description.decision or {}).get("oos_score") else ""
    tokens = ["windows" if description.window else "tokens", "tokenizer"] if (folder / TOKENIZER).is_file() else []
    files = [name for name in changes if (PIECES / f"{name}.py").is_file()]
    return ["endpoint", *tokens, network, *files, f"{ANSWERS[description.kind.form]}{abstains}"], changes


def joined(names: Sequence[str], changes: Sequence[str] = ()) -> str:
    """The code of some modules of this folder as that of one. changes: what is written for `CHANGES` there."""
    imports: set[str] = set()
    constants: list[str] = []
    bodies: list[str] = []
    for name in names:
        source = (PIECES / f"{name}.py").read_text(encoding="utf-8")
        for node in ast.parse(source).body[1:]:  # without its docstring
            code = "\n".join(source.splitlines()[node.lineno - 1 : node.end_lineno])
            if isinstance(node, ast.Import | ast.ImportFrom):
                imports |= {code} if not code.startswith("from pipeline.") else set()
            elif isinstance(node, ast.Assign):
                constants.append(code)
            elif not isinstance(node, ast.AnnAssign):
                bodies.append(code)
    bodies += [f"CHANGES = [{', '.join(changes)}]"] if changes else []
    return "\n\n\n".join(["\n\n".join([*_sections(imports), *constants]), *bodies]) + "\n"


def _sections(imports: set[str]) -> list[str]:
    """Import statements, sorted: those of the standard library, then the others."""
    ordered = sorted(imports, key=lambda line: (line.startswith("from "), line.lower()))
    own = [line for line in ordered if line.split()[1].partition(".")[0] in sys.stdlib_module_names]
    other = [line for line in ordered if line not in own]
    return ["\n".join(section) for section in (own, other) if section]


def load(folder: Path, threads: int = 1) -> Any:
    """The handler of a folder, as whoever downloads it has it."""
    spec = importlib.util.spec_from_file_location(f"handler_of_{folder.name}", folder / FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EndpointHandler(str(folder), threads)


def _require_same_answers(folder: Path, texts: Sequence[Input]) -> None:
    """Raises PublishError unless the handler answers as this project does. Scores of abstentions may differ."""
    ours = [answer._asdict() for answer in Answerer(folder)(texts)]
    try:
        theirs = load(folder)({"inputs": [to_json(text) for text in texts]})
    except Exception as error:  # each library raises its own types
        raise PublishError(f"the handler.py fails: {type(error).__name__}: {error}") from error
    for text, one, other in zip(texts, ours, theirs, strict=True):
        if not _alike(one, other):
            raise PublishError(f"a handler.py would answer {other} to {shown(text)[:40]!r} where this project answers {one}")


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    ours, theirs = (np.atleast_1d(np.array(each.get("score", each.get("scores")), dtype=float)) for each in (one, other))
    names = [{key: value for key, value in each.items() if not key.startswith("score")} for each in (one, other)]
    close = one.get("abstained") or np.allclose(ours, theirs, rtol=0, atol=TOLERANCE, equal_nan=True)
    return names[0] == names[1] and bool(close)
