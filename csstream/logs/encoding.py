"""Which encoding a text file has, when nobody says.

Exports of Chinese shops are UTF-8 or GBK, rarely marked. UTF-8 proves itself: a long GBK text is never
valid UTF-8. So the whole file is tried as UTF-8, not a sample, as one name far down would be missed. What
is not UTF-8 is GB18030 (which contains GBK and GB2312) if it decodes as that, or would but for characters
that an export cut in half and reads as Chinese; else charset-normalizer judges. The choice is always told,
and the mapping's `encoding` overrules it.
"""

import codecs
from pathlib import Path

import charset_normalizer

_CHUNK = 1 << 20
_SAMPLE = 1 << 16  # bytes around the first one that is not UTF-8
_MOSTLY = 0.1  # share of broken characters up to which a file is damaged, not in another encoding

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def detect(path: Path) -> str:
    """The codec name to read this file with. Memory does not grow with the file."""
    with path.open("rb") as file:
        head = file.read(4)
        for bom, name in _BOMS:
            if head.startswith(bom):
                return name
    stop = _first_break(path)
    if stop is None:
        return "utf-8"
    with path.open("rb") as file:
        file.seek(max(0, stop - _SAMPLE // 2))
        sample = file.read(_SAMPLE)
    start, end = sample.find(b"\n"), sample.rfind(b"\n")
    if 0 <= start < end and stop > _SAMPLE // 2:
        sample = sample[start:end]
    elif end > 0:
        sample = sample[:end]
    return _judge(sample)


def _first_break(path: Path) -> int | None:
    """Where the file stops to be UTF-8, in bytes from its start; None if it never does."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                return done - pending + error.start
            done += len(chunk)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return max(0, done - 4)
    return None


def _judge(sample: bytes) -> str:
    text = sample.decode("utf-8", "replace")
    if text.count("\ufffd") < _MOSTLY * len(_foreign(text)):
        return "utf-8"
    text = sample.decode("gb18030", "replace")
    broken = text.count("\ufffd")
    if not broken or (broken < _MOSTLY * len(_foreign(text)) and _is_common_chinese(text)):
        return "gb18030"
    best = charset_normalizer.from_bytes(sample).best()
    return best.encoding if best else "utf-8"


def _foreign(text: str) -> str:
    return "".join(char for char in text if char > "\x7f")


def _is_common_chinese(text: str) -> bool:
    """Whether most of what is not ASCII is in GB2312: an accented letter and its neighbour, read as GBK, is not."""
    foreign = _foreign(text)
    return len(foreign.encode("gb2312", "ignore")) > len(foreign)  # two bytes each
