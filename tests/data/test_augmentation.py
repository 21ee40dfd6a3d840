"""More texts for distillation: repeatable, of the words they are made from, and none that is measured."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import Config, Optim
from pipeline.data.augmentation import Augment, augment_texts, unlabelled_texts
from pipeline.errors import DataError
from pipeline.runtimes.base import load
from pipeline.steps.base import Context
from pipeline.steps.execute import StepsResult, plan, run_steps
from pipeline.steps.shared.transfer import Transfer, read
from pipeline.steps.store import Store

TEXTS = [f"{a} {b} {c} {d}" for a in "abcd" for b in "efgh" for c in "ijkl" for d in "mnop"]  # 256 texts of four words


def test_the_same_seed_gives_the_same_texts_and_another_seed_others() -> None:
    settings = Augment(copies=2)
    first = augment_texts(TEXTS, "[UNK]", settings, 1)
    assert len(first) == 2 * len(TEXTS) and first == augment_texts(TEXTS, "[UNK]", settings, 1)
    assert first != augment_texts(TEXTS, "[UNK]", settings, 2) and first[:256] != first[256:]
    assert first[:256] == augment_texts(TEXTS, "[UNK]", Augment(copies=1), 1)


def test_without_copies_nothing_is_made_and_with_nothing_to_change_copies_are_the_texts() -> None:
    assert augment_texts(TEXTS, "[UNK]", Augment(), 0) == []
    assert augment_texts(TEXTS, "[UNK]", Augment(copies=1, drop=0, swap=0, mix=0), 0) == TEXTS


def test_as_many_words_are_dropped_and_swapped_as_is_asked_for() -> None:
    dropped = Counter(word for text in augment_texts(TEXTS, "[UNK]", Augment(4, 0.25, 0, 0), 0) for word in text.split())
    assert dropped["[UNK]"] / dropped.total() == pytest.approx(0.25, abs=0.03)
    swapped = augment_texts(TEXTS, "[UNK]", Augment(4, 0, 0.25, 0), 0)
    changed = [
        one != other
        for text, own in zip(swapped, TEXTS * 4, strict=True)
        for one, other in zip(text.split(), own.split(), strict=True)
    ]
    assert np.mean(changed) == pytest.approx(0.25 * (1 - 1 / 16), abs=0.03)  # one in sixteen is drawn for itself
    assert {word for text in swapped for word in text.split()} <= set("abcdefghijklmnop")


def test_a_mixed_text_begins_as_its_own_and_ends_as_another() -> None:
    mixed = augment_texts(TEXTS, "[UNK]", Augment(1, 0, 0, 1.0), 0)
    assert all(text.split()[:2] == own.split()[:2] for text, own in zip(mixed, TEXTS, strict=True))
    assert Counter(" ".join(text.split()[2:]) for text in mixed) == Counter(" ".join(text.split()[2:]) for text in TEXTS)


@pytest.fixture
def transferred(
    compose: Callable[..., Config], tiny: list[str], root: Path
) -> Callable[[Augment], tuple[StepsResult, Context]]:
    config = compose("optim=baseline", *tiny)
    context = Context(config.data.load(0), config.backbone, 0)

    def make(augment: Augment) -> tuple[StepsResult, Context]:
        optim = Optim("any", {**config.optim.steps, "transfer": Transfer(augment=augment)})
        return run_steps(optim, context, Store(root)), context

    return make


def test_each_text_of_a_transfer_set_has_its_teachers_logits_and_unlabelled_ones_no_label(
    transferred: Callable[[Augment], tuple[StepsResult, Context]], tmp_path: Path
) -> None:
    made, context = transferred(Augment())
    splits = context.splits
    file = tmp_path / "more.txt"
    file.write_text("\n".join(["how deep is the sea", "", "how deep is the sea", "who are you", *splits.test["text"]]))
    made, _ = transferred(Augment(copies=1, unlabelled=str(file)))
    texts, logits = read(made.artifact)
    own = len(splits.train)
    assert texts["text"][:own] == splits.train["text"][:] and texts["label"][:own] == splits.train["label"][:]
    assert texts["text"][2 * own :] == ["how deep is the sea", "who are you"] and set(texts["label"][own:]) == {-100}
    assert any("[UNK]" in text for text in texts["text"][own : 2 * own])
    expected = load(made.stages[0].artifact, 1).logits(texts["text"][:])
    assert np.allclose(logits, expected, atol=1e-5)
    assert made.stages[-1].manifest["notes"] == {"runtime": "torch", "texts": own, "added": own + 2}


def test_a_transfer_sets_fingerprint_knows_what_is_in_it_not_where_it_lay(
    transferred: Callable[[Augment], tuple[StepsResult, Context]], tmp_path: Path
) -> None:
    _, context = transferred(Augment())
    for name, told in (("a.txt", "one text"), ("b.txt", "one text"), ("c.txt", "another")):
        (tmp_path / name).write_text(told)

    def fingerprint(augment: Augment) -> str:
        optim = Optim("any", {"transfer": Transfer(augment=augment)})
        return plan(optim, context)[-1].fingerprint

    same, other, third = (fingerprint(Augment(unlabelled=str(tmp_path / name))) for name in ("a.txt", "b.txt", "c.txt"))
    assert same == other != third
    assert fingerprint(Augment()) == fingerprint(Augment(drop=0.5)) != fingerprint(Augment(copies=1))
    assert fingerprint(Augment(copies=1)) != fingerprint(Augment(copies=1, drop=0.5))


@pytest.mark.parametrize(
    ("content", "told"), [(None, "no such file"), (b"\n \n", "the file has no text"), (b"\xff\xfe", "UTF-8")]
)
def test_a_file_of_texts_that_is_none_is_one_line(
    content: bytes | None, told: str, transferred: Callable[[Augment], tuple[StepsResult, Context]], tmp_path: Path
) -> None:
    file = tmp_path / "more.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=told) as caught:
        transferred(Augment(unlabelled=str(file)))
    assert "\n" not in str(caught.value)


def test_lines_without_labels_end_at_line_ends_only(tmp_path: Path) -> None:
    file = tmp_path / "more.txt"
    file.write_bytes("\ufeffone\u2028and\x0c more\r\ntwo\r\n\r\ntwo\r\n".encode())
    assert unlabelled_texts(file) == ["one\u2028and\x0c more", "two"]
