"""`weights.safetensors` in its plain form: dense, and of the shapes that transformers' network has.

It is the form of `runtimes.compact` in which no tensor has a mask, so this project still loads it.
"""

import json
from pathlib import Path

from pipeline.errors import PublishError

FILE = "weights.safetensors"


def changes_of(folder: Path) -> list[str]:
    """Write out the weights of an artifact; returns the functions that its network needs, in their order (`torch_parts`).

    Raises PublishError where heads or neurons were removed from layers in int8.
    """
    from safetensors.torch import save_file

    from pipeline.models.fitting import fit, padded
    from pipeline.models.low_rank import use_factors_of
    from pipeline.runtimes import compact
    from pipeline.runtimes.torch import uninitialized

    state, model = compact.read(folder), uninitialized(folder)
    use_factors_of(model, state)
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    scaled = any(name.endswith(".scale") for name in state)
    if scaled and any(state[name].shape != shape for name, shape in shapes.items()):
        raise PublishError("heads or neurons were removed from layers in int8; export it to ONNX before it is quantized")
    full = state
    if not scaled:
        small = uninitialized(folder)
        fit(small, state)
        full = padded(small, model)
    save_file({name: tensor.contiguous() for name, tensor in full.items()}, folder / FILE, metadata={"shapes": "{}"})
    thin = any(name.endswith(".0.weight") and f"{name[:-9]}.1.weight" in state for name in state)
    pooling = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("pooling", "first")
    needed = {"thin_layers": thin, "mean_pooling": pooling == "mean", "load_weights": True, "int8_layers": scaled}
    return [name for name, wanted in needed.items() if wanted]
