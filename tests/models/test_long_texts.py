"""A cut before tokenizing changes no token, on either side and on nasty texts; it makes long texts quick."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from pipeline.models.long_texts import LongTexts
from pipeline.models.long_words import LongWords

WORDS = ["the", "cat's", "naïve", "u.s.a.", "日本語", "e\u0301te\u0301", "\u200b", "🙂👍🏽", "x" * 150, "[SEP]", "<mask>",
         "\t", "\r\n", "  ", "\x00", "a" * 99, "1,234", "#tag", "\u00a0", "ﬁ", "İ"]  # fmt: skip
MAX_LENGTH = 24


def wordpiece() -> Tokenizer:
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
    made.train_from_iterator(WORDS * 3, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special))
    return made


def byte_bpe() -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made.train_from_iterator(WORDS * 3, trainers.BpeTrainer(vocab_size=400, special_tokens=["[CLS]", "[SEP]"]))
    made.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    return made


def unigram() -> Tokenizer:
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" ", " ")])
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", "[CLS]", "[SEP]"]
    made.train_from_iterator(WORDS * 3, trainers.UnigramTrainer(vocab_size=150, special_tokens=special, unk_token="<unk>"))
    return made


def in_few_letters(made: Tokenizer) -> Tokenizer:
    """Trained on words of a few letters, whose pieces overlap in many ways."""
    trainer = {"BPE": trainers.BpeTrainer, "Unigram": trainers.UnigramTrainer}[type(made.model).__name__]
    more = {"unk_token": "<unk>"} if isinstance(made.model, models.Unigram) else {}
    draw = np.random.default_rng(0)
    texts = ["".join(draw.choice(list("abc"), 12)) for _ in range(400)]
    made.train_from_iterator(texts, trainer(vocab_size=400, special_tokens=["<unk>", "[CLS]", "[SEP]"], **more))
    return made


def finished(made: Tokenizer, side: str) -> Tokenizer:
    ids = {name: made.token_to_id(name) for name in ("[CLS]", "[SEP]")}
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=list(ids.items()))
    made.enable_truncation(MAX_LENGTH, direction=side)
    return made


def nasty(seed: int) -> str:
    draw = np.random.default_rng(seed)
    kept = [str(word) for word in draw.choice(WORDS, 6)]
    joined = [str(each) for each in draw.choice([" ", " ", "\n", "", "   "], 2500)]
    return "".join(f"{kept[draw.integers(6)]}{space}" for space in joined)


LONG_WITHOUT_WORDS = {  # each was tokenized whole: no single space between two words
    "punctuation": "a,b;c." * 800_000, "Chinese": "日本語文" * 400_000, "double spaces": "a  word  " * 500_000,
    "tabs": "a\tword\t" * 500_000, "lines": "a word.\r\n\r\n" * 400_000,
    "one word": "a1B2" * 1_200_000 + " and more",
}  # fmt: skip
WITHOUT_END = {
    "a word": "x" * 5_000_000,
    "words that are just short enough": ("y" * 999 + " ") * 5_000,
    "spaces": "a" + " " * 5_000_000,
}
SPECIAL = [*(text[:20_000] for text in LONG_WITHOUT_WORDS.values()),
           "a" * 20_000, " " * 20_000 + "end of it " * 9, "word " * 9_000, "x" * 20_000 + " tail of it" * 20, "日" * 9_000,
           "start of it " * 20 + "y" * 20_000, "é" * 9_000 + "\u00ad" + "é" * 9_000,
           ("z" * 4_000 + "_" + " \t" * 4_000) * 40,
           "the " + "日x" * 9_000, "cat's " + "x" * 9_000 + "e\u0301" * 9_000 + "[SEP]" + "1" * 9_000]  # fmt: skip


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("make", [wordpiece, byte_bpe, unigram])
def test_the_tokens_that_are_kept_are_the_same(make: Callable[[], Tokenizer], side: str) -> None:
    tokenizer = finished(make(), side)
    texts = [*SPECIAL, *(nasty(seed) for seed in range(12))]
    short = LongTexts(tokenizer, MAX_LENGTH).cut(texts, side)
    for text, cut in zip(texts, short, strict=True):
        assert tokenizer.encode(cut).ids == tokenizer.encode(text).ids, (side, text[:50])
    assert sum(len(cut) < len(text) for text, cut in zip(texts, short, strict=True)) > 5


def test_a_tokenizer_that_does_not_split_at_spaces_gets_the_whole_text() -> None:
    tokenizer = byte_bpe()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    assert LongTexts(tokenizer, MAX_LENGTH).cut(["word " * 9000], "right") == ["word " * 9000]


UNSPACED: dict[str, Callable[[np.random.Generator, int], str]] = {
    "letters": lambda draw, size: "".join(draw.choice(list("abc"), size)),
    "syllables": lambda draw, size: "".join(draw.choice(["日本", "語", "naïve", "ab", "cat", "9"], size // 2)),
    "few spaces": lambda draw, size: " ".join("".join(draw.choice(list("abcé"), size // 4)) for _ in range(4)),
}


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("make", [byte_bpe, unigram, lambda: in_few_letters(byte_bpe()), lambda: in_few_letters(unigram())])
def test_a_cut_within_a_word_changes_no_token_that_is_kept(make: Callable[[], Tokenizer], side: str) -> None:
    tokenizer = finished(make(), side)
    texts = [kind(np.random.default_rng(seed), 9000) for kind in UNSPACED.values() for seed in range(3)]
    texts += ["ab" * 5000, "a" * 10_001, "[SEP]" + "abc" * 3000, "abcab" * 2000 + "[SEP]" + "abc" * 900]
    short = LongTexts(tokenizer, MAX_LENGTH).cut(texts, side)
    for text, cut in zip(texts, short, strict=True):
        assert tokenizer.encode(cut).ids == tokenizer.encode(text).ids, (side, text[:50])
    cuts = sum(len(cut) < len(text) for text, cut in zip(texts[:9], short, strict=False))
    assert cuts > 5 or (side == "left" and isinstance(tokenizer.model, models.Unigram))


def test_places_where_a_word_may_be_split() -> None:
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2, "ba": 3, "aba": 4}, [("a", "b"), ("b", "a"), ("ab", "a")]))
    words = LongWords(tokenizer)
    assert words.crossings("ababab", 3, forward=True) == [2, 3]  # "ba" and "aba" begin at 1 and 2 ...
    assert words.crossings("ababab", 3, forward=False) == [3, 4, 5]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    "text",
    ["a word, and one more " * 250_000, *LONG_WITHOUT_WORDS.values(), *WITHOUT_END.values()],
    ids=lambda text: text[:9],
)
def test_five_megabytes_are_quick(text: str, side: str) -> None:
    tokenizer = finished(wordpiece(), side)
    start = time.perf_counter()
    [cut] = LongTexts(tokenizer, MAX_LENGTH).cut([text], side)
    assert time.perf_counter() - start < 0.5 and len(cut) < 100_000


@pytest.mark.parametrize("make", [byte_bpe, unigram])
def test_five_megabytes_without_spaces_are_quick_for_vocabularies_of_bytes_and_sentence_pieces(
    make: Callable[[], Tokenizer],
) -> None:
    tokenizer, draw = finished(make(), "right"), np.random.default_rng(0)
    if isinstance(tokenizer.model, models.Unigram):
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    texts = ["".join(draw.choice(["日本語", "cat's", "naïve", "1,234"], 1_500_000)), "日本語" * 500_000]
    texts.append("a" + " " * 5_000_000 + "b" if isinstance(tokenizer.model, models.Unigram) else "x" * 5_000_000)
    for text in texts:
        start = time.perf_counter()
        [cut] = LongTexts(tokenizer, MAX_LENGTH).cut([text], "right")
        assert time.perf_counter() - start < 0.5 and len(cut) < 100_000, text[:9]
