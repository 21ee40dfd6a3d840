"""The content of a text file, whatever its compression and encoding, as UTF-8 without a byte order mark.

A plain UTF-8 file is mapped into memory and not copied; any other is read and converted whole.
"""

import codecs
import functools
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from pipeline.data.encodings import HEAD, looks_binary, not_utf8
from pipeline.data.formats import Format
from pipeline.errors import DataError

GZIP = b"\x1f\x8b"
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)  # UTF-32 first: its mark begins like that of UTF-16
CHUNK = 2**22  # bytes or characters


@dataclass(frozen=True)
class Content:
    """The text of a file in UTF-8, as one buffer."""

    path: Path
    data: pa.Buffer
    encoding: str  # of the file, as it is told
    skipped: int = 0  # lines of the file before this text
    notes: tuple[str, ...] = ()

    def reader(self) -> pa.NativeFile:
        """The bytes, for Arrow's readers."""
        return pa.BufferReader(self.data)

    def text(self) -> io.TextIOWrapper:
        """The characters; line ends stay as they are."""
        return io.TextIOWrapper(self.reader(), encoding="utf-8", newline="")

    def chunks(self) -> Iterator[bytes]:
        """The bytes, in pieces."""
        view = memoryview(self.data)
        return (bytes(view[start : start + CHUNK]) for start in range(0, len(view), CHUNK))

    @functools.cached_property
    def line_end(self) -> bytes:
        r"""What ends most of its lines: b"\n" (also of "\r\n") or b"\r"."""
        counts = [(chunk.count(b"\n"), chunk.count(b"\r")) for chunk in self.chunks()]
        return b"\r" if sum(carriage - line for line, carriage in counts) > 0 else b"\n"

    def count_lines(self) -> int:
        """How many line ends it has."""
        return sum(chunk.count(self.line_end) for chunk in self.chunks())

    def line_at(self, place: int) -> int:
        """The number of the line of the file, from 1, in which a byte lies."""
        before = bytes(memoryview(self.data)[:place])
        return self.skipped + 1 + before.count(self.line_end)

    def behind(self, size: int, lines: int) -> "Content":
        """The content without its first bytes, which are so many lines."""
        return replace(self, data=self.data.slice(size), skipped=self.skipped + lines)


def load(path: Path, form: Format) -> Content:
    """Read a text file. Raises DataError if it can't be read, or is not in the encoding that was said or detected."""
    content = _decoded(path, form)
    zeros = sum(chunk.count(0) for chunk in content.chunks())
    if not zeros:
        return content
    first = re.search(rb"\0", memoryview(content.data))
    place = content.line_at(first.start() if first else 0)
    note = f"{path}: has {zeros} bytes that are zero (the first in line {place}); they are kept as characters"
    return replace(content, notes=(*content.notes, note))


def _decoded(path: Path, form: Format) -> Content:
    raw = _bytes(path)
    mark, marked = next(((mark, name) for mark, name in MARKS if _head(raw, len(mark)) == mark), (b"", None))
    if marked == "utf-8-sig":
        return Content(path, _checked(path, raw.slice(len(mark)), form), "UTF-8 with BOM")
    said = None if form.encoding is None else _known(form.encoding, form)
    if marked or said not in (None, "utf-8", "utf-8-sig"):
        encoding = marked or said or ""
        data = pa.py_buffer(b"".join(_utf8(path, raw, encoding, form)))
        notes = () if marked else _doubt(path, raw, form)
        return Content(path, data, f"{encoding.upper()} with BOM" if marked else encoding, notes=notes)
    return Content(path, _checked(path, raw, form), "UTF-8")


def _bytes(path: Path) -> pa.Buffer:
    try:
        if path.stat().st_size == 0:
            return pa.py_buffer(b"")
        with path.open("rb") as file:
            packed = file.read(len(GZIP)) == GZIP
        if not packed:
            return pa.memory_map(str(path)).read_buffer()
        with gzip.open(path) as unpacked:
            return pa.py_buffer(unpacked.read())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: can't be unpacked ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror or error})") from error


def _head(raw: pa.Buffer, size: int) -> bytes:
    return bytes(memoryview(raw)[:size])


def _known(encoding: str, form: Format) -> str:
    try:
        b"a".decode(encoding, errors="ignore")
        return codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise DataError(f"{form.says('encoding', encoding)}: no such encoding; such as cp1252, latin-1 or utf-16") from error


def _utf8(path: Path, raw: pa.Buffer, encoding: str, form: Format) -> Iterator[bytes]:
    with io.TextIOWrapper(pa.BufferReader(raw), encoding=encoding, newline="") as file:
        lines = 1
        while True:
            try:
                text = file.read(CHUNK)
            except UnicodeError as error:
                raise DataError(
                    f"{path}: can't be decoded as {encoding}, behind line {lines} ({error}); {form.says('encoding', '...')} "
                    "must be the encoding of each file without a byte order mark"
                ) from error
            if not text:
                return
            lines += text.count("\n")
            yield text.encode()


def is_utf8(raw: pa.Buffer) -> bool:
    """Whether bytes are UTF-8; they are not copied."""
    offsets = pa.array([0, raw.size], pa.int64()).buffers()[1]
    try:
        pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, raw]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _checked(path: Path, raw: pa.Buffer, form: Format) -> pa.Buffer:
    """The bytes, if they are text in UTF-8. Raises DataError, with the encoding that they look like."""
    if looks_binary(_head(raw, HEAD)) or not is_utf8(raw):
        raise not_utf8(path, bytes(memoryview(raw)), form)
    return raw


def _doubt(path: Path, raw: pa.Buffer, form: Format) -> tuple[str, ...]:
    """A note where the text is valid UTF-8, although the user says another encoding."""
    if not re.search(rb"[\x80-\xff]", memoryview(raw)) or not is_utf8(raw):
        return ()
    return (
        f"{path}: looks like UTF-8, but is read as {form.says('encoding', form.encoding)} says; if it is UTF-8, leave that "
        "setting out, and convert the files that are not",
    )
