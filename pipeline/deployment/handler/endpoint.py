"""What is called: texts in, answers out."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.deployment.handler.one_label import answers
from pipeline.deployment.handler.tokens import classifier


class EndpointHandler:
    """A loaded classifier."""

    def __init__(self, path: str = "", threads: int = 1) -> None:
        folder = Path(path or Path(__file__).parent)
        self.told = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
        self.logits = classifier(folder, self.told, threads)

    def __call__(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """{"inputs": a text or a list of texts; of pairs {"text": ..., "text_pair": ...}} -> an answer to each."""
        given = data["inputs"] if isinstance(data["inputs"], list) else [data["inputs"]]
        pairs, size = self.told["task"].endswith("_pairs"), 32 if self.told["batched"] else self.told["batch_size"]
        texts = [(each["text"], each["text_pair"]) if pairs else each for each in given]
        order = sorted(range(len(texts)), key=lambda row: len("".join(texts[row])))
        groups = [[texts[row] for row in order[i : i + size]] for i in range(0, len(order), size)]
        found = answers(np.concatenate([self.logits(group) for group in groups]), self.told) if groups else []
        return [found[place] for place in np.argsort(order)]
