"""Tokenizers of each kind, trained on made-up words of several scripts; half of the words are in no training text."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

SYLLABLES = ["ba", "ko", "ren", "ti", "su", "mel", "ar", "zo", "이", "日本", "мо", "ней", "é", "qu", "'", "9", "🙂", "ش"]
ENDS = {"bert": ("[CLS]", "[SEP]"), "roberta": ("<s>", "</s>")}
PLACES = 32  # the longest text that a network of the tests takes, in tokens


def words_of(seed: int, count: int = 150) -> list[str]:
    """Made-up words."""
    draw = np.random.default_rng(seed)
    return ["".join(draw.choice(SYLLABLES, draw.integers(1, 5))) for _ in range(count)]


def texts_of(words: list[str], seed: int, count: int = 60, length: int = 6) -> list[str]:
    """Texts of these words; some are much more frequent than others."""
    draw = np.random.default_rng(seed)
    chances = 1 / np.arange(1, len(words) + 1)
    return [" ".join(draw.choice(words, length, p=chances / chances.sum())) for _ in range(count)]


SEEN, UNSEEN = words_of(1), words_of(2)
TRAINING, OTHERS = texts_of(SEEN, 3), [*texts_of(UNSEEN, 4), *texts_of(SEEN + UNSEEN, 5), "Ĝ ☃ ñandú ﬁ \x07 \u200b"]
BERT, ROBERTA = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], ["<s>", "<pad>", "</s>", "<unk>"]


def word_pieces() -> Tokenizer:
    """As BERT has it: all characters are there as the first and as a later piece of a word."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    text = " ".join([*SEEN, *UNSEEN])
    signs = {sign for word, _ in made.pre_tokenizer.pre_tokenize_str(made.normalizer.normalize_str(text)) for sign in word}
    learned = sorted(signs) + sorted(f"##{sign}" for sign in signs)
    trainer = trainers.WordPieceTrainer(vocab_size=600, special_tokens=[*BERT[:4], *learned], show_progress=False)
    made.train_from_iterator([*texts_of(SEEN, 6, 300), *texts_of(UNSEEN, 7, 300)], trainer)
    return _without_added(made, BERT[:4])


def byte_pairs(vocab_size: int = 800) -> Tokenizer:
    """As RoBERTa has it."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=ROBERTA, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    made.train_from_iterator([*texts_of(SEEN, 6, 300), *texts_of(UNSEEN, 7, 300)], trainer)
    made.add_special_tokens(["<mask>"])
    return made


def unigrams(vocab_size: int = 300) -> Tokenizer:
    """As XLM-R has it: special tokens first, the mask last."""
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab_size, special_tokens=ROBERTA, unk_token="<unk>", show_progress=False, max_piece_length=8
    )
    made.train_from_iterator([*texts_of(SEEN, 6, 300), *texts_of(UNSEEN, 7, 300)], trainer)
    made.add_special_tokens(["<mask>"])
    return made


MADE: dict[str, Callable[[], Tokenizer]] = {"WordPiece": word_pieces, "BPE": byte_pairs, "Unigram": unigrams}


def finished(made: Tokenizer, length: int = PLACES) -> Tokenizer:
    """With special tokens around texts, truncation and padding."""
    first, last = next(pair for pair in ENDS.values() if made.token_to_id(pair[0]) is not None)
    ids = [(name, made.get_vocab()[name]) for name in (first, last)]
    if isinstance(made.model, models.BPE):
        made.post_processor = processors.RobertaProcessing(ids[1], ids[0])
    else:
        made.post_processor = processors.TemplateProcessing(single=f"{first} $A {last}", special_tokens=ids)
    made.enable_truncation(length)
    padding = "[PAD]" if first == "[CLS]" else "<pad>"
    made.enable_padding(pad_id=made.token_to_id(padding), pad_token=padding)
    return made


def _without_added(made: Tokenizer, kept: list[str]) -> Tokenizer:
    described: dict[str, Any] = json.loads(made.to_str())
    described["added_tokens"] = [token for token in described["added_tokens"] if token["content"] in kept]
    return Tokenizer.from_str(json.dumps(described))
