"""`prune`: continues fine-tuning while more and more weights of the encoder become zero, by magnitude or by movement.

The artifact is small because zeros are not stored (`pipeline/runtimes/compact.py`); the computation is not faster.
The masks and their schedule are in `pipeline/training/pruning.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import kind, setting
from pipeline.errors import ConfigError
from pipeline.models.outline import Outline
from pipeline.steps.base import Context
from pipeline.steps.shared.trained import Trained
from pipeline.system.units import BYTES_PER_MB


@kind("step", "prune")
@dataclass(frozen=True)
class Prune(Trained):
    """Settings of `conf/step/prune.yaml`."""

    method: str = setting("magnitude", choices=("magnitude", "movement"))
    sparsity: float = setting(0.6, above=0, max=0.99)
    ramp_start: float = setting(0.1, min=0, max=0.99)
    ramp_end: float = setting(0.7, above=0, max=1)
    epochs: int = setting(6, min=1)
    label_smoothing: float = setting(0.1, min=0, max=0.9)

    code_version: ClassVar[int] = 4
    takes: ClassVar[tuple[str, ...]] = ("torch",)
    gives: ClassVar[str] = "torch"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ramp_start >= self.ramp_end:
            raise ConfigError(f"ramp_start={self.ramp_start}: must be below ramp_end={self.ramp_end}")
        if self.best_by is not None:
            raise ConfigError(f"best_by={self.best_by}: pruning keeps its last epoch, the only one that is sparse enough")

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises OptimizationError when it is not known where the network's layers are."""
        if source is not None and source.network is not None:
            from pipeline.models.layers import layer_list

            layer_list(source.network)
        return source

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Train and prune; metrics: the sparsity, and the size of the same network with stored zeros."""
        from transformers import set_seed

        from pipeline.runtimes.base import Description
        from pipeline.runtimes.torch import read, read_tokenizer, save_compact
        from pipeline.training import pruning
        from pipeline.training.trainer import train

        assert context.source is not None
        set_seed(context.seed)
        model, tokenizer = read(context.source), read_tokenizer(context.source)
        pruning.add_masks(model, self.method)
        model.base_model.get_input_embeddings().requires_grad_(not self.freeze_embeddings)
        recipe = self.recipe(context, self.label_smoothing, keep="last")
        pruner = pruning.Pruner(model, pruning.Schedule(self.sparsity, self.ramp_start, self.ramp_end))
        adamw = pruning.optimizer(model, self.learning_rate, self.weight_decay)
        splits = context.splits
        curves = train(
            model, tokenizer, splits.train, splits.validation, recipe, scratch, callbacks=[pruner], optimizer=adamw
        )
        pruning.remove_masks(model)
        save_compact(model, tokenizer, Description.read(context.source), artifact, context.tokenizer_texts)
        dense = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
        weights = (artifact / "weights.safetensors").stat().st_size
        rest = sum(path.stat().st_size for path in artifact.iterdir()) - weights
        metrics = {"prune/sparsity": pruning.sparsity_of(model), "size/dense_mb": (dense + rest) / BYTES_PER_MB}
        return {"curves": curves, "metrics": metrics}
