"""What the encoding of a file looks like that is not UTF-8: a proposal, never a decision."""

import codecs
import re
from pathlib import Path

from pipeline.data.formats import Format
from pipeline.errors import DataError

SHOWN = 30  # characters
HEAD = 4096  # bytes at the beginning of a file
SAMPLE = 2**17  # bytes that are looked at
USUAL = "cp1252"  # of files of Western languages from Windows; preferred where it reads the same text
LATIN = (USUAL, "cp1250", "cp1254", "cp1257", "iso8859_2", "mac_roman")
PLAUSIBLE = (
    *LATIN, "cp1251", "cp1253", "cp1255", "cp1256", "cp1258", "cp874", "koi8_r", "koi8_u",
    "gb18030", "big5", "cp932", "euc_jp", "cp949",
)  # fmt: skip
FEW = 0.25  # of the bytes in lines that are not ASCII: as many are letters with accents at most, where letters are Latin
FEW_ZEROS = 4  # bytes: ASCII in UTF-16 has more, all of them on one side
MANY_ZEROS = 0.1  # of the bytes: not a text
TIE = 0.02  # of coherence: the share of letters that fits a language
LAST = "latin-1"  # reads any bytes


def not_utf8(path: Path, raw: bytes, form: Format) -> DataError:
    """The error for bytes that are not UTF-8, with the setting that makes them read."""
    head = raw[:HEAD]
    if b"\0" in head:
        wide = _wide(head)
        if wide is not None and decodes(raw, wide):
            return DataError(f"{path}: not UTF-8, looks like {wide}: set {form.says('encoding', wide)}")
        return DataError(f"{path}: not a text file: it has bytes that are zero")
    line = _line(raw)
    if _mostly_utf8(raw):
        return DataError(f"{path}, line {line}: not UTF-8, though the rest of the file is; correct what is wrong there")
    guess = guessed(raw)
    way_out = f"set {form.says('encoding', guess)} (it then reads {_shown(raw, guess)})"
    return DataError(f"{path}, line {line}: not UTF-8, looks like {guess}: {way_out}")


def looks_binary(head: bytes) -> bool:
    """Whether the beginning of a file has so many zeros, or has them so placed, that it is no text of single bytes."""
    return _wide(head) is not None or head.count(0) > MANY_ZEROS * len(head)


def _wide(head: bytes) -> str | None:
    """Whether it looks like UTF-16, whose zeros are all on one side, and which has lines; by name."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    name, end = ("utf-16-le", rb"[\r\n]\0") if odd > even else ("utf-16-be", rb"\0[\r\n]")
    return name if max(even, odd) >= FEW_ZEROS and min(even, odd) == 0 and re.search(end, head) else None


def guessed(raw: bytes) -> str:
    """The most likely encoding of those that decode all of the bytes."""
    import charset_normalizer

    first = re.search(rb"[\x80-\xff]", raw)
    start = max(0, first.start() - SAMPLE) if first else 0
    part = raw[start : start + 2 * SAMPLE]
    telling = b"".join(line for line in re.split(rb"[\r\n]+", part) if not line.isascii())
    few = len(re.findall(rb"[\x80-\xff]", telling)) < FEW * len(telling)
    found = list(charset_normalizer.from_bytes(part, cp_isolation=list(LATIN if few else PLAUSIBLE)))
    likely = [name for match in found for name in match.could_be_from_charset]
    tied = [name for match in found if match.coherence > found[0].coherence - TIE for name in match.could_be_from_charset]
    if not found or USUAL in tied:
        likely.insert(0, USUAL)
    return next((name for name in likely if decodes(raw, name)), LAST)


def decodes(raw: bytes, encoding: str) -> bool:
    """Whether all of the bytes are text of an encoding."""
    try:
        codecs.decode(raw, encoding)
    except (UnicodeError, LookupError):
        return False
    return True


def _first_wrong(raw: bytes) -> int:
    """The place of the first byte that is not UTF-8."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _line(raw: bytes) -> int:
    """The number of the line, from 1, with the first byte that is not UTF-8."""
    before = raw[: _first_wrong(raw)]
    return 1 + (before.count(b"\n") or before.count(b"\r"))


def _shown(raw: bytes, encoding: str) -> str:
    """What stands around the first byte that is not UTF-8, in another encoding."""
    place = _first_wrong(raw)
    start = max(raw.rfind(end, 0, place) for end in (b"\n", b"\r", b" "))  # not within a character of several bytes
    text = raw[start + 1 : place + 4 * SHOWN].decode(encoding, errors="ignore")
    return repr(text.splitlines()[0][:SHOWN])


def _mostly_utf8(raw: bytes) -> bool:
    """Whether more characters beyond ASCII are well-formed UTF-8 than not; in other encodings hardly any is."""
    text = raw.decode(errors="replace")
    wrong = text.count("\ufffd")
    return sum(map(len, re.findall(r"[^\x00-\x7f\ufffd]+", text))) > wrong
