"""The tokenizer, set up as in training."""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer


def tokenizer_of(folder: Path, told: dict[str, Any], overlap: int = 0) -> Any:
    """It cuts and pads texts as in training."""
    made = Tokenizer.from_file(str(folder / "tokenizer.json"))
    cut, padded = ((settings or {}).get("direction", "right") for settings in (made.truncation, made.padding))
    made.enable_truncation(told["max_length"], stride=overlap, strategy="longest_first", direction=cut)
    made.enable_padding(direction=padded, pad_id=told["pad_id"], pad_token=made.id_to_token(told["pad_id"]))
    return made
