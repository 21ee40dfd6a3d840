"""Unstructured pruning: the right weights are masked, as many as asked, a kill changes nothing, zeros take no room."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.models.build import start
from pipeline.runtimes import compact
from pipeline.runtimes.base import Description
from pipeline.runtimes.torch import read, save, save_standard
from pipeline.steps.base import Context
from pipeline.steps.prune import Prune
from pipeline.system.units import BYTES_PER_MB
from pipeline.training import pruning
from pipeline.training.pruning import Schedule
from tests.conftest import composed, small, write_csv
from tests.training.test_trainer import Interrupted, equal, weights

NETWORKS: dict[str, Callable[[], Any]] = {
    "bert": lambda: transformers.BertForSequenceClassification(
        transformers.BertConfig(
            vocab_size=50, hidden_size=12, num_hidden_layers=2, num_attention_heads=2, intermediate_size=28
        )
    ),
    "distilbert": lambda: transformers.DistilBertForSequenceClassification(
        transformers.DistilBertConfig(vocab_size=50, dim=12, n_layers=2, n_heads=2, hidden_dim=28)
    ),
}
STEP = Prune("prune", sparsity=0.7, epochs=4, batch_size=8, learning_rate=1e-3)


def network(kind: str) -> Any:
    torch.manual_seed(0)
    return NETWORKS[kind]()


def matrices(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of the encoder's linear layers, by name."""
    return {name: tensor for name, tensor in state.items() if ".layer." in name and tensor.dim() == 2}


def test_the_share_follows_the_cubic_schedule_and_never_falls() -> None:
    schedule = Schedule(sparsity=0.6, start=0.1, end=0.7)
    at = [schedule.at(progress) for progress in (0, 0.1, 0.25, 0.4, 0.7, 1)]
    assert at == pytest.approx([0, 0, 0.6 * (1 - 0.75**3), 0.525, 0.6, 0.6])
    shares = [schedule.at(step / 100) for step in range(101)]
    assert shares == sorted(shares)
    assert Schedule(0.5, 0, 1).at(1) == 0.5


def test_a_rise_that_ends_before_it_begins_is_one_line(compose: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError, match=r"optim\.steps\.prune\.ramp_start=0\.8: must be below ramp_end=0\.7$"):
        compose("optim=magnitude_pruning", "optim.steps.prune.ramp_start=0.8")


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("sparsity", [0.0, 0.37, 0.99])
def test_magnitude_masks_the_weights_that_are_closest_to_zero_in_each_matrix(kind: str, sparsity: float) -> None:
    model = network(kind)
    before = weights(model)
    pruning.add_masks(model, "magnitude")
    pruning.rank(model, sparsity)
    pruning.remove_masks(model)
    after = weights(model)
    assert len(matrices(before)) == 12
    for name, tensor in before.items():
        expected = tensor.numpy().copy()
        if name in matrices(before):
            expected.flat[np.argsort(np.abs(expected), axis=None)[: round(sparsity * expected.size)]] = 0
        assert np.array_equal(after[name].numpy(), expected), name


def test_movement_masks_the_weights_with_the_lowest_scores_in_each_matrix_and_no_mask_is_left_at_the_end() -> None:
    model = network("bert")
    names = set(model.state_dict())
    pruning.add_masks(model, "movement")
    scores = {name: p for name, p in model.named_parameters() if name.endswith(".score")}
    for score in scores.values():
        torch.nn.init.normal_(score)
    pruning.rank(model, 0.4)
    lowest = {name: score.detach().flatten().argsort()[: round(0.4 * score.numel())] for name, score in scores.items()}
    pruning.remove_masks(model)
    assert len(scores) == 12
    for name, places in lowest.items():
        weight = model.get_parameter(name.replace("parametrizations.weight.0.score", "weight")).detach().flatten()
        assert set(places.tolist()) == set((weight == 0).nonzero().flatten().tolist())
    assert set(model.state_dict()) == names
    assert not any(torch.nn.utils.parametrize.is_parametrized(module) for module in model.modules())
    assert pruning.sparsity_of(model) == pytest.approx(0.4, abs=0.01)


def masked(weight: list[list[float]], method: str) -> Any:
    """A linear layer with a mask."""
    linear = torch.nn.Linear(len(weight[0]), len(weight), bias=False)
    linear.weight.data = torch.tensor(weight)
    mask = pruning.Mask(linear.weight, method == "movement")
    torch.nn.utils.parametrize.register_parametrization(linear, "weight", mask)
    return linear


def test_a_scores_gradient_is_that_of_the_masked_weight_times_the_weight() -> None:
    torch.manual_seed(0)
    linear, inputs = masked(torch.randn(3, 4).tolist(), "movement"), torch.randn(5, 4)
    mask, original = linear.parametrizations.weight[0], linear.parametrizations.weight.original
    torch.nn.init.normal_(mask.score)
    mask.rank(original, 0.5)
    (linear(inputs) ** 2).sum().backward()
    kept = (mask.score > mask.score.flatten().sort().values[5]).detach().float()
    by_hand = 2 * (inputs @ (original * kept).T).T @ inputs  # of the loss with respect to the masked weight
    assert kept.sum() == 6
    assert torch.allclose(mask.score.grad, by_hand * original, atol=1e-5)
    assert torch.allclose(original.grad, by_hand * kept, atol=1e-5)


@pytest.mark.parametrize(("method", "kept"), [("movement", [True, False]), ("magnitude", [False, True])])
def test_a_small_weight_that_grows_is_kept_by_movement_and_a_large_one_by_magnitude(method: str, kept: list[bool]) -> None:
    linear = masked([[0.1, -1.0]], method)
    sgd = torch.optim.SGD(linear.parameters(), lr=0.01)
    for _ in range(150 if method == "movement" else 5):
        sgd.zero_grad()
        linear(torch.tensor([[-1.0, -1.0]])).sum().backward()  # training moves both weights upwards
        sgd.step()
    linear.parametrizations.weight[0].rank(linear.parametrizations.weight.original, 0.5)
    assert (linear.weight != 0).flatten().tolist() == kept


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory, toy_rows: list[tuple[str, str]]) -> Context:
    """What the step is given: the toy data, and a tiny network."""
    folder = tmp_path_factory.mktemp("pruning")
    config = composed(*small(folder, write_csv(folder / "toy.csv", toy_rows)))
    splits = config.data.load(0)
    model, tokenizer = start(config.backbone, "teacher", splits.labels, 0)
    source = folder / "source"
    source.mkdir()
    save(model, tokenizer, Description("torch", list(splits.labels), 64), source)
    return Context(splits, config.backbone, 0, source)


Pruned = tuple[Path, dict[str, Any]]  # the artifact and the notes


def pruned(context: Context, folder: Path, method: str, scratch: str) -> Pruned:
    """What the step makes, with a scratch directory of this name."""
    artifact = folder / f"artifact-{scratch}"
    shutil.rmtree(artifact, ignore_errors=True)
    artifact.mkdir()
    (folder / scratch).mkdir(exist_ok=True)
    return artifact, Prune(**{**vars(STEP), "method": method}).make(context, artifact, folder / scratch)


@pytest.fixture(scope="module", params=["magnitude", "movement"])
def whole(request: pytest.FixtureRequest, context: Context, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Pruned]:
    """A method, and what it makes when nothing interrupts it."""
    return request.param, pruned(context, tmp_path_factory.mktemp("whole"), request.param, "whole")


@pytest.mark.slow
def test_the_artifact_has_the_sparsity_and_the_sizes_that_are_told(
    whole: tuple[str, Pruned], context: Context, tmp_path: Path
) -> None:
    artifact, notes = whole[1]
    metrics, stored = notes["metrics"], compact.read(artifact)
    zeros = {name: int((tensor == 0).sum()) for name, tensor in matrices(stored).items()}
    sizes = {name: tensor.numel() for name, tensor in matrices(stored).items()}
    assert len(zeros) == 12
    assert all(abs(zeros[name] - 0.7 * sizes[name]) <= 1 for name in zeros)
    assert metrics["prune/sparsity"] == pytest.approx(sum(zeros.values()) / sum(sizes.values()))
    assert len(notes["curves"]) == STEP.epochs
    assert context.source is not None
    before = load_file(context.source / "model.safetensors")
    for name in before.keys() - sizes.keys():  # embeddings, norms, pooler and head
        assert torch.equal(stored[name] == 0, before[name] == 0) or stored[name].dim() == 1, name
    words = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(stored[words], before[words])
    save_standard(artifact, tmp_path / "dense")
    dense, small = (sum(file.stat().st_size for file in folder.iterdir()) for folder in (tmp_path / "dense", artifact))
    with (tmp_path / "dense" / "model.safetensors").open("rb") as file:
        header = 8 + int.from_bytes(file.read(8), "little")  # names of tensors, not counted
    assert metrics["size/dense_mb"] == pytest.approx((dense - header) / BYTES_PER_MB, rel=1e-3)
    assert small < 0.8 * dense


@pytest.mark.slow
def test_a_pruning_that_was_killed_ends_as_one_that_was_not(
    whole: tuple[str, Pruned], context: Context, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    method, (artifact, notes) = whole
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pipeline.training.trainer.Progress", Interrupted)
        pruned(context, tmp_path, method, "killed")
    with caplog.at_level("INFO", logger="pipeline"):
        resumed, same_notes = pruned(context, tmp_path, method, "killed")
    assert "resuming the interrupted training" in caplog.text
    assert same_notes == notes
    assert equal(weights(read(artifact)), weights(read(resumed)))
