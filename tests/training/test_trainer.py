"""Training on the tiny backbone: repeatable to the bit, goes on after an interruption, keeps the best epoch."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.config import Config, Finetuning
from pipeline.data.splits import Splits
from pipeline.models.build import start
from pipeline.training.trainer import Progress, Recipe, fast_training, newest_checkpoint, train
from tests.conftest import composed, small, write_csv

pytestmark = pytest.mark.slow

RECIPE = Recipe(
    epochs=3, learning_rate=5e-3, batch_size=16, weight_decay=0.01, warmup_ratio=0.1, freeze_embeddings=True,
    bfloat16="never", max_length=64, seed=42,
)  # fmt: skip
Weights = dict[str, torch.Tensor]
Curves = list[dict[str, float]]
Trained = Callable[..., tuple[Any, Curves]]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, toy_rows: list[tuple[str, str]]) -> Config:
    folder = tmp_path_factory.mktemp("toy")
    return composed(*small(folder, write_csv(folder / "toy.csv", toy_rows)))


@pytest.fixture(scope="module")
def splits(config: Config) -> Splits:
    loaded: Splits = config.data.load(config.seed)
    return loaded


@pytest.fixture(scope="module")
def trained(config: Config, splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Settings that differ from RECIPE -> the model and its curves; `scratch` is the directory, a new one otherwise."""

    def training(scratch: Path | None = None, role: str = "teacher", **changes: Any) -> tuple[Any, Curves]:
        recipe, directory = replace(RECIPE, **changes), scratch or tmp_path_factory.mktemp("scratch")
        model, tokenizer = start(config.backbone, role, splits.labels, recipe.seed)
        return model, train(model, tokenizer, splits.train, splits.validation, recipe, directory)

    return training


@pytest.fixture(scope="module")
def whole(trained: Trained) -> tuple[Any, Curves]:
    """What RECIPE trains, without an interruption."""
    return trained()


def weights(model: Any) -> Weights:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def equal(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_same_seed_gives_the_same_weights_to_the_bit_and_another_seed_others(
    whole: tuple[Any, Curves], trained: Trained
) -> None:
    first, curves = whole
    torch.rand(7), np.random.rand(7)  # what happened before must not matter
    second, same_curves = trained()
    other, _ = trained(seed=43)
    assert equal(weights(first), weights(second)) and curves == same_curves
    assert not equal(weights(first), weights(other))


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_curves_have_one_entry_an_epoch(role: str, whole: tuple[Any, Curves], trained: Trained) -> None:
    model, curves = whole if role == "teacher" else trained(role=role)
    assert [entry["epoch"] for entry in curves] == [1, 2, 3]
    assert curves[-1]["selection_optimism_pp"] >= 0
    for entry in curves:
        assert set(entry) - {"selection_optimism_pp"} == {"epoch", "train_loss", "validation_loss", "validation_accuracy"}
        assert entry["train_loss"] > 0 and 0 <= entry["validation_accuracy"] <= 1
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def embeddings_before_and_after(
    config: Config, splits: Splits, trained: Trained, role: str, freeze: bool
) -> tuple[torch.Tensor, torch.Tensor, Any]:
    before, _ = start(config.backbone, role, splits.labels, RECIPE.seed)
    after, _ = trained(role=role, freeze_embeddings=freeze, epochs=1)
    words = [model.base_model.get_input_embeddings().weight for model in (before, after)]
    assert not equal(weights(before), weights(after))
    return words[0], words[1], after


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_frozen_word_embeddings_do_not_change_and_unfrozen_ones_do(
    role: str, config: Config, splits: Splits, trained: Trained
) -> None:
    before, frozen, model = embeddings_before_and_after(config, splits, trained, role, freeze=True)
    assert torch.equal(before, frozen)
    assert all(parameter.requires_grad for parameter in model.parameters())
    before, unfrozen, _ = embeddings_before_and_after(config, splits, trained, role, freeze=False)
    assert not torch.equal(before, unfrozen)


def accuracy(model: Any, tokenizer: Any, splits: Splits) -> float:
    """Validation accuracy, one text at a time."""
    model.eval()
    right = 0
    for row in splits.validation:
        with torch.inference_mode():
            logits = model(**tokenizer(row["text"], return_tensors="pt")).logits
        right += int(logits.argmax()) == row["label"]
    return right / len(splits.validation)


def test_the_model_has_the_weights_of_the_epoch_that_is_best_on_validation(
    config: Config, splits: Splits, trained: Trained
) -> None:
    _, tokenizer = start(config.backbone, "teacher", splits.labels, 0)
    best_was_not_last = False
    for seed in range(1, 9):
        model, curves = trained(seed=seed, learning_rate=1e-2, epochs=6)
        best = max(entry["validation_accuracy"] for entry in curves)
        assert accuracy(model, tokenizer, splits) == pytest.approx(best)
        best_was_not_last |= curves[-1]["validation_accuracy"] < best
        if best_was_not_last:
            break
    assert best_was_not_last  # else this test says nothing


class Interrupted(Progress):
    """Ctrl-C in the third epoch, after its first step."""

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        super().on_step_end(args, state, control, **rest)
        if state.epoch > 2:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def stopped(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scratch directory of a training that was interrupted in its third epoch."""
    directory = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pipeline.training.trainer.Progress", Interrupted)
        trained(directory)
    return directory


@pytest.fixture
def interrupted(stopped: Path) -> Iterator[Path]:
    """The same directory, as it was before each test: checkpoints know their paths."""
    kept = Path(shutil.copytree(stopped, stopped.with_name("kept")))
    yield stopped
    shutil.rmtree(stopped)
    kept.rename(stopped)


def test_an_interrupted_training_that_goes_on_ends_with_the_weights_of_one_that_was_not(
    whole: tuple[Any, Curves], trained: Trained, interrupted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="pipeline"):
        resumed, same_curves = trained(interrupted)
    assert "resuming the interrupted training from checkpoint-8" in caplog.text
    assert same_curves == whole[1]
    assert equal(weights(whole[0]), weights(resumed))


def test_a_half_written_checkpoint_is_removed_and_the_one_before_it_used(trained: Trained, interrupted: Path) -> None:
    last = newest_checkpoint(interrupted)
    assert last is not None
    for number, state in ((900, None), (901, ""), (902, '{"global_step": 9'), (903, "{}")):
        torn = shutil.copytree(last, interrupted / f"checkpoint-{number}")
        (torn / "trainer_state.json").unlink()
        if state is not None:
            (torn / "trainer_state.json").write_text(state)
    assert newest_checkpoint(interrupted) == last
    assert not list(interrupted.glob("checkpoint-90*"))
    assert len(trained(interrupted)[1]) == RECIPE.epochs


def test_the_mark_of_a_whole_checkpoint_is_what_is_written_last(interrupted: Path) -> None:
    last = newest_checkpoint(interrupted)
    assert last is not None
    assert max(last.iterdir(), key=lambda path: path.stat().st_mtime_ns).name == "trainer_state.json"


def test_without_a_whole_checkpoint_training_begins_anew(
    whole: tuple[Any, Curves], trained: Trained, interrupted: Path
) -> None:
    for state in interrupted.glob("checkpoint-*/trainer_state.json"):
        state.write_text("")
    resumed, _ = trained(interrupted)
    assert equal(weights(resumed), weights(whole[0]))


def test_the_head_alone_learns_at_its_own_rate(trained: Trained) -> None:
    slow, fast = (weights(trained(epochs=1, learning_rate=1e-4, head_lr_multiplier=rate)[0]) for rate in (1e-6, 100))
    started = weights(start_of(trained))
    moved = {name: float((slow[name] - started[name]).abs().max()) for name in started}
    assert moved["classifier.weight"] < 1e-8 < 1e-5 < moved["bert.encoder.layer.0.output.dense.weight"]
    assert float((fast["classifier.weight"] - started["classifier.weight"]).abs().max()) > 1e-3


def test_dropout_is_the_recipes_while_it_trains_and_the_networks_own_afterwards(
    whole: tuple[Any, Curves], trained: Trained, config: Config, splits: Splits
) -> None:
    model, tokenizer = start(config.backbone, "teacher", splits.labels, 0)
    own = [part.p for part in model.modules() if isinstance(part, torch.nn.Dropout)]
    inputs = tokenizer(["a b c"], return_tensors="pt")
    for dropout, varies in ((0.0, False), (0.5, True), (None, True)):
        with fast_training(model.train(), replace(RECIPE, dropout=dropout)):
            once, again = model(**inputs).logits, model(**inputs).logits
        assert bool((once != again).any()) is varies
        assert [part.p for part in model.modules() if isinstance(part, torch.nn.Dropout)] == own and any(own)
        assert model.config._attn_implementation == "sdpa"
    without, with_own = weights(trained(dropout=0.0)[0]), weights(whole[0])
    assert RECIPE.dropout is None and not equal(without, with_own), "a training takes it"


def start_of(trained: Trained) -> Any:
    """The network before any training."""
    return trained(epochs=1, learning_rate=1e-12)[0]


def test_much_data_is_gone_over_fewer_times_than_little() -> None:
    how = Finetuning(epochs=8, batch_size=32, max_steps=1500)
    assert [how.epochs_on(texts) for texts in (100, 5000, 15250, 10**6)] == [8, 8, 3, 1]
    assert replace(how, max_steps=None).epochs_on(10**6) == 8
