"""Smaller vocabularies of each kind: training texts fall into the same pieces, and nothing becomes unknown."""

import json

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from pipeline.errors import OptimizationError
from pipeline.models.coverage import unknown_tokens, whole_texts
from pipeline.models.vocabulary import compare, require_known_kind, select_pieces, trim_tokenizer
from tests.support.vocabularies import MADE, OTHERS, TRAINING, finished


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("more", [0, 10])
def test_training_texts_fall_into_the_same_pieces_and_nothing_becomes_unknown(kind: str, more: int) -> None:
    before = whole_texts(finished(MADE[kind]()))
    needed = select_pieces(before, TRAINING, 1)
    chosen = select_pieces(before, TRAINING, len(needed.ids) + more)
    kept = chosen.ids
    assert chosen.required == len(needed.ids) <= len(kept) <= len(needed.ids) + more < before.get_vocab_size()
    assert len(kept) > len(needed.ids) + more - 5  # a piece may bring its parts
    after = trim_tokenizer(before, kept)
    assert [before.id_to_token(old) for old in kept] == [after.id_to_token(new) for new in range(len(kept))]
    assert after.get_vocab_size() == len(kept)
    assert compare(before, after, kept, TRAINING, "right") == type(compare(before, after, kept, [], "right"))(60, 0, 0)
    changed = compare(before, after, kept, OTHERS, "right")
    assert changed.changed > 20 and changed.unknown == 0 and changed.same_share < 0.9
    known = [[not unknown_tokens(each).intersection(each.encode(text).ids) for text in OTHERS] for each in (before, after)]
    assert known[0] == known[1] or kind == "BPE"  # of bytes; what is unknown to it is none the less told apart
    for text in TRAINING[:5]:
        assert after.encode(text).tokens == before.encode(text).tokens  # special tokens too
        assert after.decode(after.encode(text).ids) == before.decode(before.encode(text).ids)


def test_special_tokens_get_their_new_numbers_everywhere() -> None:
    before = finished(MADE["Unigram"]())
    chosen = select_pieces(before, [], 1, first=2)
    after = trim_tokenizer(before, chosen.ids)
    assert chosen.ids[:4] == [0, 1, 2, 3] and after.token_to_id("<mask>") == len(chosen.ids) - 1
    assert after.encode("ba").ids[0] == 0 and dict(after.padding or {})["pad_id"] == 1
    assert json.loads(after.to_str())["model"]["unk_id"] == 3 and after.encode("\u2603").ids[2] == 3


def test_pieces_up_to_the_padding_token_keep_their_numbers_though_no_text_has_them() -> None:
    """CamemBERT's first piece is "<s>NOTUSED", its padding token the second; positions are counted from there."""
    pieces = [("<s>NOTUSED", 0.0), ("<pad>", 0.0), ("<unk>", 0.0), ("a", -1.0), ("ab", -2.0), ("b", -3.0)]
    before = Tokenizer(models.Unigram(pieces, 2, False))
    before.add_special_tokens(["<pad>", "<unk>"])
    assert select_pieces(before, [], 1).ids == [1, 2, 3, 5]
    assert select_pieces(before, [], 1, first=2).ids == [0, 1, 2, 3, 5]


def test_a_piece_with_a_character_that_has_none_of_its_own_stays() -> None:
    unigram = Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0), ("aé", -2.0), ("aa", -9.0)], 0, False))
    assert select_pieces(unigram, [], 1).ids == [0, 1, 2, 3]  # and the least likely: an unknown character costs more than it
    pieces = ["[UNK]", "a", "ba", "##a", "##ca", "aa"]
    word = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    assert [word.id_to_token(id) for id in select_pieces(word, [], 1).ids] == ["[UNK]", "a", "ba", "##a", "##ca"]


def test_all_ways_to_a_piece_and_bytes_to_fall_back_to_are_kept() -> None:
    pieces = ["<unk>", "<0x61>", "a", "b", "c", "ab", "bc", "abc", "cc"]
    merges = [("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc"), ("c", "c")]
    numbers = {piece: i for i, piece in enumerate(pieces)}
    before = Tokenizer(models.BPE(numbers, merges, unk_token="<unk>", byte_fallback=True))
    chosen = select_pieces(before, ["abc"], 1)
    assert chosen.ids == list(range(8))
    assert len(json.loads(trim_tokenizer(before, chosen.ids).to_str())["model"]["merges"]) == 4


def test_what_becomes_known_in_another_way_is_counted() -> None:
    """The longest piece led nowhere; without it, a shorter one does not."""
    pieces = ["[UNK]", "a", "ab", "##bc"]
    before = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    before.pre_tokenizer = pre_tokenizers.Whitespace()
    after = trim_tokenizer(before, [0, 1, 3])
    assert compare(before, after, [0, 1, 3], ["abc", "a"], "right").changed == 1
    assert compare(after, before, [0, 1, 3, 2], ["abc", "a"], "right").unknown == 1


def test_of_a_very_long_text_the_end_counts_that_is_not_truncated() -> None:
    before = MADE["WordPiece"]()
    before.add_tokens([AddedToken("zzz")])
    long = ["ba " * 20_000 + "remote"]
    ends = [select_pieces(before, long, 1, side=side).ids for side in ("left", "right")]
    assert len(ends[0]) >= len(ends[1])


def test_another_kind_of_vocabulary_is_one_line() -> None:
    with pytest.raises(OptimizationError, match="of a WordLevel tokenizer can't be trimmed, only"):
        require_known_kind(Tokenizer(models.WordLevel({"[UNK]": 0}, "[UNK]")))
