"""This project's training beside the transformers Trainer with its default settings: texts per second, and accuracy.

Both train the same network on the same texts for as many epochs. First in short trainings on a few texts, in turns: they
give the ratio of texts per second with its 95 % interval; then each once on all texts, for the validation accuracies.
"""

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.evaluation.statistics import ratio_interval
from pipeline.models.build import start
from pipeline.steps.base import Context
from pipeline.steps.finetune import Finetune
from pipeline.system import locks
from pipeline.system.progress import bar
from pipeline.tasks.single_label import TEXT
from pipeline.training.trainer import train

PAIRS = 5  # of short trainings
TEXTS = 1024  # of each of them


@dataclass(frozen=True)
class Outcome:
    """What both did. Speeds are texts per second, each text counted once an epoch; accuracies 0 to 1, on validation."""

    ratios: np.ndarray  # float64 (pairs,): our speed by the defaults'
    accuracy: dict[str, float]  # "ours" and "defaults"
    seconds: dict[str, float]  # of the trainings on all texts
    epochs: int

    def told(self) -> str:
        """In words."""
        speed = ratio_interval(np.log(self.ratios))
        lines = [
            f"texts per second: {speed.value:.2f} times those of the Trainer's defaults, 95 % interval {speed.low:.2f} to "
            f"{speed.high:.2f} ({len(self.ratios)} pairs)",
            *(
                f"{name}: validation accuracy {100 * self.accuracy[name]:.2f} % after {self.epochs} epochs, "
                f"{self.seconds[name]:.0f} s"
                for name in self.accuracy
            ),
        ]
        return "\n".join(lines)


def benchmark(config: Config, pairs: int = PAIRS, texts: int = TEXTS) -> Outcome:
    """Measure, and nothing else of this program does meanwhile. Raises ConfigError where finetune is not the first step."""
    step = next(iter(config.optim.steps.values()), None)
    if not isinstance(step, Finetune):
        raise ConfigError(f"optim={config.optim.name} does not begin with finetune; take optim=baseline")
    context = Context(config.data.load(config.seed), config.backbone, config.seed)
    train = context.splits.train
    some = train.select(range(min(texts, len(train))))
    rates: dict[str, list[float]] = {"ours": [], "defaults": []}
    with locks.exclusive(), bar("short trainings", "training", 2 * pairs) as progress:
        for pair in range(pairs):
            for name in ("ours", "defaults") if pair % 2 else ("defaults", "ours"):
                rates[name].append(len(some) / _trained(name, step, context, some, 1)[1])
                progress.update()
        progress.close()
        epochs = step.epochs_on(len(train))
        whole = {name: _trained(name, step, context, train, epochs) for name in ("defaults", "ours")}
    return Outcome(
        np.array(rates["ours"]) / np.array(rates["defaults"]),
        {name: accuracy for name, (accuracy, _) in whole.items()},
        {name: seconds for name, (_, seconds) in whole.items()},
        epochs,
    )


def _trained(name: str, step: Any, context: Any, texts: Any, epochs: int) -> tuple[float, float]:
    """Validation accuracy after the last epoch, and the seconds of a training's steps."""
    model, tokenizer = start(context.backbone, step.model, list(context.splits.labels), context.seed)
    validation = context.splits.validation
    with tempfile.TemporaryDirectory() as folder:
        if name == "defaults":
            return _by_defaults(model, tokenizer, texts, validation, epochs, context, Path(folder))
        recipe = replace(step.recipe(context, step.label_smoothing), epochs=epochs, keep="last")
        clock = Clock()
        curves = train(model, tokenizer, texts, validation, recipe, Path(folder), callbacks=[clock.callback()])
        return curves[-1]["validation_accuracy"], clock.seconds


def _by_defaults(
    model: Any, tokenizer: Any, texts: Any, validation: Any, epochs: int, context: Any, folder: Path
) -> tuple[float, float]:
    """With `TrainingArguments` as they are, but for the number of epochs and what would write or ask for other packages."""

    def encoded(split: Any) -> Any:
        def tokens(batch: Any) -> Any:
            return tokenizer(batch[TEXT], truncation=True, max_length=context.backbone.max_length)

        return split.map(tokens, batched=True, remove_columns=[TEXT], load_from_cache_file=False)

    clock = Clock("training with the defaults")
    arguments = TrainingArguments(
        str(folder), num_train_epochs=epochs, seed=context.seed, report_to="none", save_strategy="no", disable_tqdm=True,
        logging_strategy="no",
    )  # fmt: skip
    trainer = Trainer(
        model, arguments, DataCollatorWithPadding(tokenizer), encoded(texts), callbacks=[clock.callback()],
        compute_metrics=lambda outcome: {"accuracy": float(np.mean(outcome.predictions.argmax(-1) == outcome.label_ids))},
    )  # fmt: skip
    trainer.train()
    return float(trainer.evaluate(encoded(validation))["eval_accuracy"]), clock.seconds


class Clock:
    """The seconds of a training's steps; evaluating and writing are not counted. With a title it draws a bar."""

    def __init__(self, title: str = "") -> None:
        self.title = title
        self.seconds = 0.0
        self._since = 0.0

    def callback(self) -> Any:
        """What a Trainer tells of its steps."""
        clock = self

        class Told(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
            def on_train_begin(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
                self.drawn = bar(clock.title, "step", state.max_steps) if clock.title else None

            def on_step_end(self, *_: Any, **__: Any) -> None:
                if self.drawn is not None:
                    self.drawn.update()

            def on_train_end(self, *_: Any, **__: Any) -> None:
                if self.drawn is not None:
                    self.drawn.close()

            def on_epoch_begin(self, *_: Any, **__: Any) -> None:
                clock._since = time.perf_counter()

            def on_epoch_end(self, *_: Any, **__: Any) -> None:
                clock.seconds += time.perf_counter() - clock._since

        return Told()
