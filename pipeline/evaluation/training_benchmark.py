"""A benchmark of this project's training against the transformers Trainer with default settings: speed and accuracy.

Both train the same network on the same texts for the same number of epochs. Short trainings on a few texts, in turns, give
the ratio of texts per second with its 95 % confidence interval. One training on all texts gives each validation accuracy.
"""

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.evaluation.statistics import ratio_interval
from pipeline.models.build import start
from pipeline.models.checkpoints import weights_of
from pipeline.models.text_length import resolve
from pipeline.steps.base import Context
from pipeline.steps.finetune import Finetune
from pipeline.steps.shared.trained import recipe_of, start_training
from pipeline.system import locks
from pipeline.system.progress import bar
from pipeline.tasks.base import LABEL
from pipeline.tasks.inputs import columns_of, input_columns, inputs_of
from pipeline.training.trainer import train

PAIRS = 5  # pairs of short trainings
TEXTS = 1024  # texts of a short training


@dataclass(frozen=True)
class Outcome:
    """The results of both.

    A speed is texts per second, a text counts once per epoch; accuracies are 0 to 1, on validation.
    """

    ratios: np.ndarray  # float64 (pairs,): our speed / speed of the defaults
    accuracy: dict[str, float]  # "ours" and "defaults"
    seconds: dict[str, float]  # time of the training on all texts
    epochs: int

    def summary(self) -> str:
        """The results as text."""
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
    """Run the benchmark while no other job of this program measures.

    Raises ConfigError if finetune is not the first step.
    """
    step = next(iter(config.optim.steps.values()), None)
    if not isinstance(step, Finetune):
        raise ConfigError(f"optim={config.optim.name} does not begin with finetune; take optim=baseline")
    backbone, splits = resolve(config.backbone, config.data.load(config.seed), config.seed)
    context = Context(splits, backbone, config.seed)
    train = context.splits.train
    some = train.select(np.random.default_rng(config.seed).permutation(len(train))[:texts])  # it may be sorted by label
    rates: dict[str, list[float]] = {"ours": [], "defaults": []}
    with locks.exclusive(), bar("short trainings", "training", 2 * pairs) as progress:
        for pair in range(pairs):
            for name in ("ours", "defaults") if pair % 2 else ("defaults", "ours"):
                rates[name].append(len(some) / _trained(name, step, context, some, 1)[1])
                progress.update()
        progress.close()
        epochs = weights_of(context.backbone, step.model).finetune.epochs_on(len(train))
        whole = {name: _trained(name, step, context, train, epochs) for name in ("defaults", "ours")}
    return Outcome(
        np.array(rates["ours"]) / np.array(rates["defaults"]),
        {name: accuracy for name, (accuracy, _) in whole.items()},
        {name: seconds for name, (_, seconds) in whole.items()},
        epochs,
    )


def _trained(name: str, step: Any, context: Any, texts: Any, epochs: int) -> tuple[float, float]:
    """Train once: validation accuracy after the last epoch, and the seconds of the training steps."""
    labels, task = list(context.splits.labels), context.splits.task
    validation = context.splits.validation
    with tempfile.TemporaryDirectory() as folder:
        if name == "defaults":
            model, tokenizer = start(context.backbone, step.model, labels, context.seed, task.problem_type)
            return _by_defaults(model, tokenizer, texts, validation, epochs, context, Path(folder))
        how = weights_of(context.backbone, step.model).finetune
        model, tokenizer = start_training(how, context, step.model)
        recipe = replace(recipe_of(how, context, how.label_smoothing, keep="last"), epochs=epochs)
        clock = Clock()
        curves = train(model, tokenizer, texts, validation, recipe, Path(folder), callbacks=[clock.callback()])
        return curves[-1]["validation_accuracy"], clock.seconds


def _by_defaults(
    model: Any, tokenizer: Any, texts: Any, validation: Any, epochs: int, context: Any, folder: Path
) -> tuple[float, float]:
    """With the default `TrainingArguments`, except the number of epochs, and without reports, checkpoints and logs."""

    def encoded(split: Any) -> Any:
        def tokens(batch: Any) -> Any:
            texts = columns_of(inputs_of({name: batch[name] for name in names})).values()
            return tokenizer(*texts, truncation=True, max_length=context.backbone.max_length)

        names = input_columns(split.column_names)
        return split.map(tokens, batched=True, remove_columns=list(names), load_from_cache_file=False)

    def batched(rows: Any) -> Any:
        inputs = pad([{name: value for name, value in row.items() if name != LABEL} for row in rows])
        return {**inputs, "labels": torch.from_numpy(task.targets([row[LABEL] for row in rows], len(labels)))}

    def judged(outcome: Any) -> dict[str, float]:
        answers = task.answer(outcome.predictions)
        return {"accuracy": task.score("accuracy", answers, outcome.label_ids.astype(answers.dtype))}

    task, labels, pad = context.splits.task, context.splits.labels, DataCollatorWithPadding(tokenizer)
    clock = Clock("training with the defaults")
    arguments = TrainingArguments(
        str(folder), num_train_epochs=epochs, seed=context.seed, report_to="none", save_strategy="no", disable_tqdm=True,
        logging_strategy="no",
    )  # fmt: skip
    trainer = Trainer(model, arguments, batched, encoded(texts), callbacks=[clock.callback()], compute_metrics=judged)
    trainer.train()
    return float(trainer.evaluate(encoded(validation))["eval_accuracy"]), clock.seconds


class Clock:
    """The seconds of training steps, without evaluating and writing. With a title it shows a progress bar."""

    def __init__(self, title: str = "") -> None:
        self.title = title
        self.seconds = 0.0
        self._since = 0.0

    def callback(self) -> Any:
        """The callback for a Trainer."""
        clock = self

        class StepTimer(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
            def on_train_begin(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
                self.bar = bar(clock.title, "step", state.max_steps) if clock.title else None

            def on_step_end(self, *_: Any, **__: Any) -> None:
                if self.bar is not None:
                    self.bar.update()

            def on_train_end(self, *_: Any, **__: Any) -> None:
                if self.bar is not None:
                    self.bar.close()

            def on_epoch_begin(self, *_: Any, **__: Any) -> None:
                clock._since = time.perf_counter()

            def on_epoch_end(self, *_: Any, **__: Any) -> None:
                clock.seconds += time.perf_counter() - clock._since

        return StepTimer()
