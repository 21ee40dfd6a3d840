"""What is known of an architecture, by the `model_type` of its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Architecture:
    """One row."""

    fusion: str | None  # what ONNX Runtime's optimizer calls it; None: its graph is not fused


ARCHITECTURES: Mapping[str, Architecture] = {
    name: Architecture("bert")
    for name in (
        "bert", "distilbert", "roberta", "xlm-roberta", "camembert", "electra", "albert", "mpnet", "deberta", "deberta-v2",
        "modernbert",
    )
}  # fmt: skip


def architecture_of(config: Any) -> Architecture | None:
    """The row of a configuration; None for an architecture that is not in the table."""
    return ARCHITECTURES.get(config.model_type)
