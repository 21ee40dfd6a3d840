"""Compare this project's training with the Trainer's default settings: speed and accuracy.

python -m pipeline benchmark-training                                              of the default data and backbone
python -m pipeline benchmark-training data=clinc150 data.path=... backbone.teacher.finetune.epochs=3

The first step of the optimization must be finetune, as in optim=baseline. Speed is the ratio of texts per second with
its 95 % interval, from five pairs of short trainings. Accuracy is measured on validation, after a training of each on
all texts.
Other settings are those of python -m pipeline.
"""

from collections.abc import Sequence

from pipeline.commands.configuration.compose import one_config


def main(arguments: Sequence[str]) -> None:
    """Takes the overrides of a run; the default is optim=baseline."""
    config = one_config(["optim=baseline", *arguments])
    from pipeline.evaluation.training_benchmark import benchmark

    print(benchmark(config).summary())
