"""Two handlers as one: the better one answers where the cheap one is unsure."""

import importlib.util
import json
from pathlib import Path
from typing import Any


class EndpointHandler:
    """A cheap classifier and a better one, each in a folder with a handler of its own."""

    def __init__(self, path: str = "", threads: int = 1) -> None:
        folder = Path(path or Path(__file__).parent)
        self.told = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
        self.threshold = json.loads((folder / "cascade.json").read_text(encoding="utf-8"))["threshold"]
        self.cheap, self.better = (part(folder / name, threads) for name in ("cheap", "better"))

    def __call__(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """{"inputs": a text or a list of texts; of pairs {"text": ..., "text_pair": ...}} -> an answer to each."""
        given = data["inputs"] if isinstance(data["inputs"], list) else [data["inputs"]]
        found: list[dict[str, Any]] = self.cheap({"inputs": given})
        unsure = [row for row, each in enumerate(found) if each["abstained"] or each["score"] < self.threshold]
        for row, answer in zip(unsure, self.better({"inputs": [given[row] for row in unsure]}), strict=True):
            found[row] = answer
        return found


def part(folder: Path, threads: int) -> Any:
    """The handler of a folder inside."""
    spec = importlib.util.spec_from_file_location(f"{folder.name}_handler", folder / "handler.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EndpointHandler(str(folder), threads)
