"""The benchmark of training: both train the same network, each on all texts for as many epochs; only steps are timed."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.evaluation import training_benchmark as module
from pipeline.evaluation.training_benchmark import benchmark


def test_both_are_trained_in_turns_and_told_with_an_interval(
    compose: Callable[..., Config], tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, int, int]] = []
    seen: list[list[str]] = []
    honest = module._trained

    def noted(name: str, step: Any, context: Any, texts: Any, epochs: int) -> tuple[float, float]:
        calls.append((name, len(texts), epochs))
        seen.append(list(texts["text"]))
        return honest(name, step, context, texts, epochs)

    monkeypatch.setattr(module, "_trained", noted)
    config = compose("optim=baseline", *tiny, "backbone.teacher.finetune.epochs=2")
    found = benchmark(config, pairs=2, texts=16)
    names = ["defaults", "ours", "ours", "defaults"]
    assert calls[:4] == [(name, 16, 1) for name in names]
    assert seen[0] == seen[3] != seen[4][:16] and set(seen[0]) < set(seen[4]), "drawn: a file may be sorted by label"
    whole = calls[4:]
    assert [name for name, *_ in whole] == ["defaults", "ours"] and len({tuple(rest) for _, *rest in whole}) == 1
    assert whole[0][2] == 2 and found.epochs == 2
    assert all(0 <= accuracy <= 1 for accuracy in found.accuracy.values()) and min(found.seconds.values()) > 0
    assert (
        found.summary().startswith("texts per second: ")
        and "95 % interval" in found.summary()
        and "(2 pairs)" in found.summary()
    )


def test_an_optimization_without_finetune_is_refused(compose: Callable[..., Config], tiny: list[str]) -> None:
    words = [word for word in tiny if not word.startswith("optim.")]
    with pytest.raises(ConfigError, match="optim=tfidf does not begin with finetune"):
        benchmark(compose("optim=tfidf", *words))
