"""Whether texts fit the positions of a network, told by its configuration alone, before anything is trained."""

import functools
import json
from pathlib import Path

from pipeline.config import Backbone
from pipeline.models.checkpoints import locate, weights_of

LIMITS = ("max_position_embeddings", "n_positions")  # where a configuration has the number of positions
MAX_OFFSET = 8  # rows of a table of positions that no text uses, see `positions`


def require_positions(backbone: Backbone, role: str) -> None:
    """Check that the network of a role takes texts of `backbone.max_length` tokens, from its configuration alone.

    Raises BackboneError where it has fewer positions.
    """
    weights = weights_of(backbone, role)
    if weights.from_teacher:
        require_positions(backbone, "teacher")
    elif not weights.random:
        require_positions_of(locate(weights, role), backbone.max_length)


@functools.cache
def require_positions_of(directory: Path, max_length: int) -> None:
    """The same for a directory with a checkpoint."""
    try:
        settings = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        limit = next((settings[name] for name in LIMITS if name in settings), None)
    except (OSError, ValueError, TypeError):
        return  # `build` tells what is wrong with the file
    if not isinstance(limit, int) or max_length + MAX_OFFSET <= limit:
        return  # surely enough, and transformers takes seconds to import
    from pipeline.models.build import require_room, uninitialized

    require_room(uninitialized(directory), max_length)
