"""Find a file's text encoding and turn it into UTF-8, streaming.

No fast CSV reader guesses encodings (facts: all of them fail on 9 of 12 common
ones), so the bytes are made UTF-8 before any reader sees them. The rule: byte
order mark, UTF-16 by its zero bytes, strict UTF-8, else chardet on a sample.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import chardet
import numpy as np
import pyarrow as pa

from foretell.tabular.errors import BadOption

_STEP = 4 << 20
_SAMPLE = 64 << 10
_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MULTIBYTE = frozenset(
    [
        "big5",
        "big5hkscs",
        "cp932",
        "cp949",
        "cp950",
        "euc-jp",
        "euc-kr",
        "euc_kr",
        "euc-tw",
        "gb18030",
        "gb2312",
        "gbk",
        "hz",
        "iso-2022-jp",
        "iso-2022-kr",
        "johab",
        "shift_jis",
    ]
)
_LATIN = ("cp1252", "cp1250", "cp1254", "cp1257")
_ACCENTS = re.compile(rb"[\x80-\xff]+")
_WESTERN_BIAS = 0.7  # cp1252 wins unless another Latin page fits this much better
_UNDECODABLE = "\ufffd"


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: one replacement character for each stretch of bad bytes."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _UNDECODABLE, error.end


codecs.register_error("foretell-mark", _mark_undecodable)


class Encoding:
    """How a file's text is encoded.

    Attributes:
        name: The name reported.
        codec: The Python codec that reads it.
        mark: Bytes of the byte order mark.
        is_damaged: Whether some of its bytes are known not to fit.
    """

    def __init__(
        self,
        name: str,
        codec: str | None = None,
        mark: int = 0,
        *,
        is_damaged: bool = False,
    ) -> None:
        self.name = name
        self.codec = codec or name
        self.mark = mark
        self.is_damaged = is_damaged

    @property
    def is_utf8(self) -> bool:
        return codecs.lookup(self.codec).name == "utf-8"


def named_encoding(name: str, path: Path) -> Encoding:
    """Return the encoding the caller named.

    Raises:
        BadOption: Python knows no such text encoding.
    """
    try:
        codec = codecs.lookup(name)
        "".encode(codec.name)
    except (LookupError, ValueError, TypeError) as error:
        raise BadOption(f"There is no text encoding called {name[:40]!r}.") from error
    plain = codec.name.removesuffix("-sig")
    with path.open("rb") as stream:
        head = stream.read(4)
    for mark, marked in _BOMS:
        if head.startswith(mark) and marked.startswith(plain):
            return Encoding(name, marked, len(mark), is_damaged=True)
    if plain in ("utf-16", "utf-32"):
        return Encoding(name, f"{plain}-le")
    return Encoding(name, plain, is_damaged=True)


def find_encoding(path: Path, most: int | None = None) -> Encoding:
    """Work out how the text of a file is encoded, from `most` bytes or all of it."""
    with path.open("rb") as stream:
        head = stream.read(_SAMPLE)
    for mark, name in _BOMS:
        if head.startswith(mark):
            is_damaged = name == "utf-8" and _first_undecodable(path, most) is not None
            return Encoding(name, name, len(mark), is_damaged=is_damaged)
    wide = wide_encoding(head)
    if wide is not None:
        return Encoding(wide)
    bad = _first_undecodable(path, most)
    if bad is None:
        return Encoding("utf-8")
    if _is_mostly_utf8(path, bad):
        return Encoding("utf-8", is_damaged=True)
    return _by_chardet(path, bad)


def wide_encoding(head: bytes) -> str | None:
    """Return the UTF-16 or UTF-32 a file starts with, by its mark or its zero bytes.

    UTF-16 of mostly Latin text has a zero in nearly every other byte; of other
    scripts, at least around delimiters and line ends, and never in the other half.
    """
    for mark, name in _BOMS[1:]:
        if head.startswith(mark):
            return name
    if len(head) < 4 or b"\x00" not in head:
        return None
    half = len(head) // 2
    even, odd = head[0::2].count(0), head[1::2].count(0)
    for name, zeros, others, line_end in (
        ("utf-16-le", odd, even, b"\n\x00"),
        ("utf-16-be", even, odd, b"\x00\n"),
    ):
        is_mostly_latin = zeros > half * 0.4 and others < half * 0.1
        is_other_script = others == 0 and zeros >= 4 and line_end in head
        if is_mostly_latin or is_other_script:
            return name
    return None


def _blocks(path: Path, skip: int = 0) -> Iterator[bytes]:
    with path.open("rb") as stream:
        stream.seek(skip)
        while block := stream.read(_STEP):
            yield block


def is_utf8(block: bytes) -> bool:
    """Tell whether bytes are valid UTF-8, without making a Python string of them."""
    if block.isascii():
        return True
    offsets = pa.py_buffer(np.array([0, len(block)], np.int64))
    cell = pa.Array.from_buffers(
        pa.large_string(), 1, [None, offsets, pa.py_buffer(block)]
    )
    try:
        cell.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _first_undecodable(path: Path, most: int | None) -> int | None:
    """Return the offset of the first byte that is not UTF-8, or None."""
    pending, offset = b"", 0
    for block in _blocks(path):
        whole = pending + block
        cut = _last_character(whole)
        if not is_utf8(whole[:cut]):
            return offset - len(pending) + _bad_byte(whole)
        pending = whole[cut:]
        offset += len(block)
        if most is not None and offset >= most:
            return None
    return offset - len(pending) if pending else None


def _last_character(block: bytes) -> int:
    """Return where a character that may go on in the next block starts."""
    for back in range(1, min(4, len(block)) + 1):
        if block[-back] >= 0xC0:
            return len(block) - back
        if block[-back] < 0x80:
            break
    return len(block)


def _bad_byte(block: bytes) -> int:
    try:
        block.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(block)


def _sample_around(path: Path, offset: int) -> bytes:
    start = max(0, offset - _SAMPLE // 4)
    with path.open("rb") as stream:
        stream.seek(start)
        block = stream.read(_SAMPLE)
    if start:  # begin at a line, never inside a character
        block = block[block.find(b"\n") + 1 :]
    return block


def _is_mostly_utf8(path: Path, bad: int) -> bool:
    """Tell UTF-8 with a few damaged rows from another encoding.

    Bytes above 127 of another encoding form valid UTF-8 sequences only by
    accident, so ten valid ones for each invalid one mean UTF-8.
    """
    sample = _sample_around(path, bad)
    text = sample.decode("utf-8", "foretell-mark")
    invalid = text.count(_UNDECODABLE)
    valid = sum(1 for character in text if character > "\x7f") - invalid
    return valid >= 10 * invalid


def _by_chardet(path: Path, bad: int) -> Encoding:
    sample = _sample_around(path, bad)
    found = str(chardet.detect(sample)["encoding"] or "cp1252").lower()
    if found not in _MULTIBYTE:
        found = _latin(sample) if _is_latin(sample) else _one_byte(sample)
    if not _decodes(sample, found):
        found = "cp1252" if _decodes(sample, "cp1252") else "latin-1"
    return Encoding(found)


def _is_latin(sample: bytes) -> bool:
    """Accents stand alone between ASCII letters; other scripts come in long runs."""
    runs = _ACCENTS.findall(sample)
    return sum(map(len, runs)) < 1.6 * len(runs)


def _latin(sample: bytes) -> str:
    """Choose among the Latin code pages, in favour of the Western European one.

    A table of names from several countries fits many of them nearly equally well.
    """
    scores = {
        str(guess["encoding"]).lower().replace("windows-", "cp"): guess["confidence"]
        for guess in chardet.detect_all(
            sample, ignore_threshold=True, include_encodings=_LATIN
        )
    }
    best = max(scores, key=lambda name: scores[name], default="cp1252")
    western = scores.get("cp1252", 0.0)
    if western >= _WESTERN_BIAS * scores.get(best, 0.0):
        return "cp1252"
    return best


def _one_byte(sample: bytes) -> str:
    era = chardet.EncodingEra.MODERN_WEB
    found = chardet.detect(sample, encoding_era=era)["encoding"]
    return str(found or "cp1252").lower()


def _decodes(sample: bytes, name: str) -> bool:
    try:
        codecs.getincrementaldecoder(name)("strict").decode(sample)
    except (LookupError, ValueError):
        return False
    return True


def decode_to_utf8(
    source: Path,
    target: Path,
    encoding: Encoding,
    report: Callable[[int], None],
    most: int | None = None,
) -> bool:
    """Write `source` as UTF-8 to `target`.

    Bytes that mean nothing in the encoding become U+FFFD, so that their rows can be
    told apart and rejected. Stops after `most` bytes, if given.

    Returns:
        Whether there were any such bytes.
    """
    decoder = codecs.getincrementaldecoder(encoding.codec)("foretell-mark")
    done, damaged = encoding.mark, False
    with target.open("wb") as out:
        for block in _blocks(source, encoding.mark):
            text = decoder.decode(block)
            damaged = damaged or _UNDECODABLE in text
            out.write(text.encode("utf-8", "replace"))
            done += len(block)
            report(done)
            if most is not None and done >= most:
                return damaged
        rest = decoder.decode(b"", final=True)
        damaged = damaged or _UNDECODABLE in rest
        out.write(rest.encode("utf-8", "replace"))
    return damaged
