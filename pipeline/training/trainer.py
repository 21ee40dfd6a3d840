"""Training with the transformers Trainer: one progress bar, the best epoch, resuming after a kill, fast on a CPU.

It is fast because batches hold texts of similar length, because it uses bfloat16 where the processor computes it natively,
because word embeddings are frozen (their dense AdamW update alone is a quarter to a half of a step), and because a step can
switch dropout off (drawing its masks is a tenth to a fifth of a step). The Trainer's checkpoints lie in a scratch directory
until the training ends. They hold optimizer states in torch's format; the Trainer reads them with `weights_only=True`.
"""

import contextlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from datasets import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from pipeline.config.backbone import LOSS
from pipeline.data.splits import typical_texts
from pipeline.errors import TrainingError
from pipeline.models.head import last_layer
from pipeline.models.token_types import kind_for
from pipeline.runtimes import tokens
from pipeline.system import cpu, disk
from pipeline.system.progress import bar
from pipeline.tasks import SINGLE_LABEL, Task
from pipeline.training.batches import Collator, sorted_by_length, tokenized
from pipeline.training.best_epoch import BestEpoch
from pipeline.training.history import curves
from pipeline.training.optimizer import adamw

log = logging.getLogger(__name__)
SHORT = 128  # tokens; up to this length eager attention trains faster on a CPU than the fused kernel


@dataclass(frozen=True)
class Recipe:
    """How to train: the settings of the step that trains, the text length in tokens, and the seed."""

    epochs: int
    learning_rate: float
    batch_size: int
    weight_decay: float
    warmup_ratio: float
    freeze_embeddings: bool
    bfloat16: str
    max_length: int
    seed: int
    label_smoothing: float = 0.0
    head_lr_multiplier: float = 1.0  # learning-rate multiplier of the last layer, which is new
    dropout: float | None = None  # None: as the network has it
    task: Task = SINGLE_LABEL
    labels: int = 0  # their number
    weights: np.ndarray | None = None  # float32 (labels,), of the loss on labels, see `Task.losses`
    keep: str = "best"  # "best": the best epoch on validation; "last": for pruning, whose earlier epochs are less sparse
    best_by: str = SINGLE_LABEL.best_by  # what is best of the epochs, see `pipeline.training.best_epoch`


class Objective(Protocol):
    """A loss that gets the row numbers of the batch."""

    forward_arguments: dict[str, bool]  # further arguments for the network's forward

    def __call__(
        self, outputs: Any, inputs: Mapping[str, torch.Tensor], labels: torch.Tensor, rows: torch.Tensor
    ) -> torch.Tensor:
        """The loss, a scalar, of the network's outputs for `inputs`; labels, and rows of the split: int64 (n,)."""
        ...


def train(
    model: Any, tokenizer: Any, training: Dataset, validation: Dataset, recipe: Recipe, scratch: Path,
    objective: Objective | None = None, callbacks: Sequence[TrainerCallback] = (),
    optimizer: torch.optim.Optimizer | None = None,
) -> list[dict[str, float]]:  # fmt: skip
    """Train `model` in place, on the GPU if there is one, and leave it on the CPU.

    It ends with the weights of the best epoch on validation, or of the last one (`recipe.keep`). Without an objective the
    loss is that of the task, with `recipe.weights` in training; without an optimizer AdamW is used.
    Returns one dict an epoch: epoch, train_loss, validation_loss, validation_accuracy (0 to 1), and validation_NAME where
    another metric chooses the epoch; see also `_curves`.
    Raises TrainingError when a checkpoint of an interrupted training does not fit, OptimizationError when an artifact could
    not make the same tokens as `tokenizer`.
    """
    pairs, length = recipe.task.pairs, recipe.max_length
    tokens.check(tokenizer, length, typical_texts(training, validation), pairs)
    types = kind_for(model, tokenizer, pairs)
    embeddings = model.base_model.get_input_embeddings()
    embeddings.requires_grad_(not recipe.freeze_embeddings)
    best = BestEpoch(recipe.task, recipe.best_by, recipe.label_smoothing)
    progress = Progress(recipe.best_by)
    trainer = _Trainer(
        model=model,
        args=_arguments(recipe, scratch),
        train_dataset=tokenized(training, tokenizer, length, scratch / "train.arrow", types),
        eval_dataset=sorted_by_length(tokenized(validation, tokenizer, length, scratch / "validation.arrow", types)),
        data_collator=Collator(tokenizer, recipe.task, recipe.labels),
        compute_metrics=best,
        preprocess_logits_for_metrics=best.kept,
        callbacks=[progress, *callbacks],
        optimizers=(optimizer or _optimizer(model, recipe), None),
    )
    trainer.objective, trainer.recipe = objective, recipe
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    with contextlib.closing(progress), fast_training(model, recipe):
        _train_or_resume(trainer, scratch)
    embeddings.requires_grad_()
    model.to("cpu").float()
    return _curves(trainer, recipe, best)


def _curves(trainer: Trainer, recipe: Recipe, best: BestEpoch) -> list[dict[str, float]]:
    """One dict an epoch; where the best is kept, the last has how much better the choice makes it look, in points."""
    found = curves(trainer.state.log_history)
    if recipe.keep == "best":
        optimism = best.optimism_pp(trainer.state.log_history, recipe.task.truth(trainer.eval_dataset, recipe.labels))
        log.info(
            "the epoch that was kept, the best by %s, looks %.2f points of %s better on the validation texts that chose it",
            *(best.metric.replace("_", " "), optimism, recipe.task.best_by.replace("_", " ")),
        )  # fmt: skip
        found[-1]["selection_optimism_pp"] = optimism
    return found


def _train_or_resume(trainer: Trainer, scratch: Path) -> None:
    """Train, from the newest checkpoint if there is one. Raises TrainingError if that does not fit."""
    last = newest_checkpoint(scratch)
    if last is not None:
        log.info("resuming the interrupted training from %s", last.name)
    try:
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    except Exception as error:
        began = last is None or trainer.state.global_step > int(last.name.rpartition("-")[2])
        if last is None or began or disk.is_full(error, [scratch]):
            raise
        shutil.rmtree(scratch)
        raise TrainingError(
            f"the interrupted training can't be resumed ({error}); its checkpoints were removed, start it again"
        ) from error


class _Trainer(Trainer):  # type: ignore[misc]  # transformers is not typed
    """The Trainer, with an objective that gets the row numbers of the batch, and the task's loss."""

    objective: Objective | None = None
    recipe: Recipe

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Any:
        """The Trainer's own, with the lengths as a list: looked up in the data set one by one they take minutes."""
        sampler = super()._get_train_sampler(train_dataset)
        sampler.lengths = sampler.lengths[:]
        return sampler

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **settings: Any) -> Any:
        rows, labels = inputs.pop("row"), inputs.pop("labels")
        if self.objective is None or not model.training:
            outputs = model(**inputs)
            loss = self._of_labels(outputs.logits, labels, model.training)
            return (loss, outputs) if return_outputs else loss
        outputs = model(**inputs, **self.objective.forward_arguments)
        loss = self.objective(outputs, inputs, labels, rows)
        return (loss, outputs) if return_outputs else loss

    def _of_labels(self, logits: torch.Tensor, targets: torch.Tensor, training: bool) -> Any:
        """The loss on labels; its weights are for training only."""
        how = self.recipe
        weights = torch.from_numpy(how.weights) if training and how.weights is not None else None
        return how.task.losses(logits, targets, weights, how.label_smoothing).mean()


@contextlib.contextmanager
def fast_training(model: Any, recipe: Recipe) -> Iterator[None]:
    """The network has the recipe's dropout and the attention that trains fastest; both are restored afterwards."""
    parts = [module for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    shares = [part.p for part in parts]
    attention = getattr(getattr(model, "config", None), "_attn_implementation", None)  # a static network has none
    for part in parts:
        part.p = part.p if recipe.dropout is None else recipe.dropout
    plain = attention is not None and recipe.max_length <= SHORT and not torch.cuda.is_available()
    if plain:
        model.set_attn_implementation("eager")
    try:
        yield
    finally:
        if plain:
            model.set_attn_implementation(attention)
        for part, share in zip(parts, shares, strict=True):
            part.p = share


def _optimizer(model: Any, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; the head has its own learning rate."""
    head, _ = last_layer(model)

    def rate_of(name: str) -> float:
        return recipe.learning_rate * (recipe.head_lr_multiplier if name.startswith(f"{head}.") else 1)

    return adamw(model, recipe.weight_decay, rate_of)


def _arguments(recipe: Recipe, scratch: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(scratch),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=4 * recipe.batch_size,
        weight_decay=recipe.weight_decay,
        warmup_steps=recipe.warmup_ratio,  # below 1: the share of all steps that are warm-up
        lr_scheduler_type="linear",
        bf16=takes_bfloat16(recipe.bfloat16),
        use_cpu=not torch.cuda.is_available(),
        train_sampling_strategy="group_by_length",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,  # besides the best one
        load_best_model_at_end=recipe.keep == "best",
        metric_for_best_model=recipe.best_by if recipe.keep == "best" else None,
        greater_is_better=recipe.best_by != LOSS,
        remove_unused_columns=False,
        logging_strategy="epoch",
        report_to="none",
        seed=recipe.seed,
        dataloader_pin_memory=False,
        disable_tqdm=True,  # `Progress` draws the only bar
    )


def takes_bfloat16(setting: str) -> bool:
    """Whether a training with this setting, "auto", "always" or "never", computes in bfloat16."""
    return native_bfloat16() if setting == "auto" else setting == "always"


def native_bfloat16() -> bool:
    """Whether the device that trains multiplies bfloat16 matrices in hardware."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return cpu.has_bfloat16()


def newest_checkpoint(scratch: Path) -> Path | None:
    """The newest complete checkpoint; incomplete ones are removed.

    The Trainer writes `trainer_state.json` last, so a checkpoint without a readable one is incomplete.
    """
    whole: list[tuple[int, Path]] = []
    for directory in scratch.glob("checkpoint-*"):
        try:
            state = json.loads((directory / "trainer_state.json").read_text(encoding="utf-8"))
            if not Path(state["best_model_checkpoint"] or directory).is_dir():
                raise ValueError("its best epoch is missing")
            whole.append((int(state["global_step"]), directory))
        except (OSError, ValueError, KeyError, TypeError):
            shutil.rmtree(directory)
    return max(whole)[1] if whole else None


class Progress(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """One bar for the whole training; it shows the newest epoch's loss and validation metric."""

    def __init__(self, metric: str = SINGLE_LABEL.best_by) -> None:
        self._bar: Any = None
        self._metric = f"validation_{metric}"

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Draw the bar; a resumed training starts where it was."""
        self._bar = bar("training", "step", state.max_steps, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Advance the bar."""
        self._bar.update(state.global_step - self._bar.n)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Show the results of the epoch."""
        newest = curves(state.log_history)[-1]
        loss, value = newest.get("train_loss", float("nan")), newest[self._metric]
        self._bar.set_postfix_str(f"epoch {newest['epoch']}, loss {loss:.3f}, validation {value:.3f}", refresh=False)

    def close(self) -> None:
        """Close the bar, so that what is told next has a line of its own."""
        if self._bar is not None:
            self._bar.close()
