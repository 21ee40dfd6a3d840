"""How much of a very long word decides its first (or last) tokens: a text without spaces, a line of dashes, base64.

Byte-pair encoding and Unigram have a property in common: if a word is split at some place, what is before that place is
split as it would be alone. For byte-pairs no merge crossed the place, so both sides did not influence each other; for
Unigram it is what the Viterbi algorithm rests on. A token that crosses a place is a piece of the vocabulary that stands
there. So a word is surely split at one of a few places: `crossings`. If what is before each of them has the same first
tokens, then so does the whole word, whatever follows.
"""

from typing import Any

KINDS = ("BPE", "Unigram")
ROOM = 64  # characters next to a cut that may change with it: parts of an added token, of a character


class LongWords:
    """Of one tokenizer (of the library tokenizers)."""

    def __init__(self, tokenizer: Any) -> None:
        from tokenizers.models import BPE

        self._tokenizer = tokenizer
        self._pieces = set(tokenizer.get_vocab(with_added_tokens=False))
        added = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
        self._added = added | {self._normalized(content) for content in added}
        self._drops = isinstance(tokenizer.model, BPE)  # unknown characters, if it has no token for them
        self._longest = max(map(len, self._pieces), default=0)

    def settled(self, text: str, count: int, side: str) -> bool:
        """Whether the first `count` tokens of a text (side="left": the last) stay the same whatever follows (precedes) it.

        The text must have been cut where only the word at the cut, and what is next to it, can change.
        """
        numbers = self._tokenizer.encode(text, add_special_tokens=False).word_ids
        normalized = self._normalized(text)
        words = [word for word, _ in self._tokenizer.pre_tokenizer.pre_tokenize_str(normalized)]
        word, number = (words[-1], len(words) - 1) if side == "right" else (words[0], 0)
        if len(word) < self._longest + 2 * ROOM or max(numbers) != len(words) - 1:
            return False
        if any(content in each for content in self._added for each in (text, normalized)):  # it splits words by other rules
            return False
        others = sum(each != number for each in numbers)
        return others >= count or self._same(word, count - others, side)

    def _normalized(self, text: str) -> str:
        normalizer = self._tokenizer.normalizer
        return text if normalizer is None else str(normalizer.normalize_str(text))

    def _same(self, word: str, count: int, side: str) -> bool:
        """Whether all that may stand before (behind) a split of this word has the same first (last) tokens."""
        if self._drops and not self._pieces.issuperset(word):
            return False
        forward = side == "right"
        place = len(word) - ROOM - self._longest if forward else ROOM + self._longest
        expected = None
        for split in self.crossings(word, place, forward):
            tokens = self._tokenizer.model.tokenize(word[:split] if forward else word[split:])
            ids = [token.id for token in (tokens[:count] if forward else tokens[-count:])]
            if len(ids) < count or ids != (expected or ids):
                return False
            expected = ids
        return True

    def crossings(self, word: str, place: int, forward: bool) -> list[int]:
        """Places of which a word is split at one: `place`, and where a piece begins (or, backward, ends) that crosses it."""
        found = {place}
        for start in range(max(0, place - self._longest), place):
            for end in range(place + 1, min(len(word), start + self._longest) + 1):
                if word[start:end] in self._pieces:
                    found.add(start if forward else end)
        return sorted(found)


def long_words_of(tokenizer: Any, model: dict[str, Any], side: str) -> LongWords | None:
    """None for a model without this property. model: what `tokenizer.json` says of it.

    From the end, ties between equally likely sequences of a Unigram model may be decided otherwise, since sums are rounded.
    """
    marks_ends = model.get("continuing_subword_prefix") or model.get("end_of_word_suffix")
    if model["type"] not in KINDS or marks_ends or model.get("dropout") or (model["type"] == "Unigram" and side == "left"):
        return None
    return LongWords(tokenizer)
