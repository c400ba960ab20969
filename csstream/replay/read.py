"""Logs as blocks of whole lines, so that many processes can decode one log.

Of a plain file only positions are handed out, and whoever works on a block reads it. What is compressed or comes
through a pipe can be read only in order: it is read here, and the bytes are handed out. A line without an end
must not fill the memory: beyond the largest record only its beginning, size and digest are kept.
"""

import gzip
import hashlib
import io
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import zstandard

from csstream.events import MAX_BYTES
from csstream.replay.job import ReplayError

KEPT = 64 * 1024
"""Bytes kept of a line that is too large."""

_PIECE = 64 * 1024
_ZSTD_STEP = 4 * 1024  # a few bytes can unpack to megabytes, so they are fed in small steps
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Oversized:
    """What is left of a line that is too large for a record."""

    head: bytes
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of one input: a span of a plain file (`data` None), or the bytes, or one oversized line."""

    number: int
    source: int
    path: str
    first: bool
    start: int = 0
    end: int = 0
    data: bytes | None = None
    oversized: Oversized | None = None

    @property
    def size(self) -> int:
        """Bytes of log in it."""
        return self.end - self.start


class Source:
    """One input as it is read: how much of it, and its digest once it is through."""

    def __init__(self, number: int, name: str, opened: BinaryIO | None = None) -> None:
        """`opened` is read in place of a file of that name: a source that only its own driver knows."""
        self.number = number
        self.name = name
        self.shown = "<stdin>" if name == "-" else name
        self._is_file = opened is None
        self.plain = False
        self.size: int | None = None
        self.read = 0
        self.sha256 = ""
        self.packed = ""
        if opened is not None:
            self._file: BinaryIO = opened
        elif name == "-":
            self._file = sys.stdin.buffer
        else:
            try:
                file = Path(name).open("rb", buffering=0)  # noqa: SIM115 - closed by `close`
                status = os.fstat(file.fileno())
                if stat.S_ISREG(status.st_mode):
                    self.size = status.st_size
            except IsADirectoryError:
                raise ReplayError(f"{name}: a directory; name the files in it, like {name}/*.jsonl") from None
            except OSError as error:
                raise ReplayError(f"{name}: cannot be read: {error.strerror}; check the path") from None
            self._file = file
        try:
            self._began = self._take(4)
        except OSError as error:
            raise ReplayError(f"{name}: {error}") from None
        if self._is_file:  # a driver's first record may begin with anything
            self.packed = (
                "gzip"
                if self._began[:2] == b"\x1f\x8b"
                else "zstd"
                if self._began == b"\x28\xb5\x2f\xfd"
                else ""
            )
        self.plain = self.size is not None and not self.packed

    def _take(self, size: int) -> bytes:
        taken = b""
        while len(taken) < size and (piece := self._file.read(size - len(taken))):
            taken += piece
        return taken

    def close(self) -> None:
        """Let go of the file; standard input stays open."""
        if self.name != "-":
            self._file.close()

    def blocks(self, block_bytes: int, numbers: Iterator[int]) -> Iterator[Block]:
        """Its blocks, in order. Raises ReplayError where it cannot be read on."""
        try:
            yield from self._spans(block_bytes, numbers) if self.plain else self._stream(block_bytes, numbers)
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            how = f"the {self.packed} stream is broken or cut off" if self.packed else "cannot be read on"
            way_out = "copy the file again, or unpack what can be saved and replay that"
            raise ReplayError(
                f"{self.shown}: {how} after {self.read} bytes ({error}); "
                + (way_out if self._is_file else "run it again")
            ) from None

    def _spans(self, block_bytes: int, numbers: Iterator[int]) -> Iterator[Block]:
        assert self.size is not None
        start = 0
        while start < self.size:
            end = self._line_end(start + block_bytes)
            yield Block(next(numbers), self.number, self.name, start == 0, start, end)
            self.read = start = end

    def _line_end(self, at: int) -> int:
        """Where the line that holds the byte before `at` ends."""
        assert self.size is not None
        at -= 1
        while at < self.size:
            piece = os.pread(self._file.fileno(), _PIECE, at)
            found = piece.find(b"\n")
            if found >= 0:
                return min(at + found + 1, self.size)
            if not piece:
                break
            at += len(piece)
        return self.size

    def _stream(self, block_bytes: int, numbers: Iterator[int]) -> Iterator[Block]:
        tee = _Tee(self, self._began, self._file)
        packed = io.BufferedReader(tee, _PIECE)
        opened: _Readable = packed
        if self.packed == "gzip":
            opened = gzip.GzipFile(fileobj=packed)
        elif self.packed == "zstd":
            opened = _Zstd(packed)
        first = self._is_file
        for lines in _whole_lines(opened.read, block_bytes):
            size = lines.size if isinstance(lines, Oversized) else len(lines)
            data, large = (None, lines) if isinstance(lines, Oversized) else (lines, None)
            yield Block(next(numbers), self.number, self.name, first, 0, size, data, large)
            first = False
        while packed.read(_PIECE):
            pass  # what follows the last frame is part of the file's digest
        self.sha256 = tee.digest.hexdigest()


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Tee(io.RawIOBase):
    """Reads on behalf of others, and keeps count and digest of what went through."""

    def __init__(self, source: Source, began: bytes, file: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self._source = source
        self._began = began
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = self._began or self._file.read(len(buffer)) or b""
        self._began = b""
        buffer[: len(piece)] = piece
        self.digest.update(piece)
        self._source.read += len(piece)
        return len(piece)


class _Zstd:
    """Frames one after the other; unlike the library's own reader, it says so when the last one is cut off."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._ahead = b""

    def read(self, _: int) -> bytes:
        while True:
            piece = self._ahead or self._file.read(_ZSTD_STEP)
            self._ahead = b""
            if not piece:
                if self._frame is not None:
                    raise EOFError("the last frame is not complete")
                return b""
            if self._frame is None:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            unpacked = self._frame.decompress(piece)
            if self._frame.eof:
                self._ahead = self._frame.unused_data
                self._frame = None
            if unpacked:
                return unpacked


def _whole_lines(read: Callable[[int], bytes], block_bytes: int) -> Iterator[bytes | Oversized]:
    """Runs of whole lines of about `block_bytes`, each line that is too large by itself."""
    held: list[bytes] = []  # complete lines, and the beginning of one
    size = open_size = 0  # of all, of the line that has not ended
    while piece := read(min(block_bytes, _PIECE)):
        cut = piece.rfind(b"\n") + 1
        if cut:
            open_size = 0
        held.append(piece)
        size += len(piece)
        open_size += len(piece) - cut
        if open_size > MAX_BYTES + _PIECE:
            joined = b"".join(held)
            begin = len(joined) - open_size
            if begin:
                yield joined[:begin]
            large, rest = _oversized(joined[begin:], read)
            yield large
            held, size, open_size = [rest], len(rest), len(rest) - (rest.rfind(b"\n") + 1)
        elif size >= block_bytes and size > open_size:
            joined = b"".join(held)
            begin = len(joined) - open_size
            yield joined[:begin]
            held, size = [joined[begin:]], open_size
    if size:
        yield b"".join(held)


def _oversized(begun: bytes, read: Callable[[int], bytes]) -> tuple[Oversized, bytes]:
    """The rest of a line that is too large, and what follows it."""
    digest = hashlib.sha256(begun)
    size = len(begun)
    while piece := read(_PIECE):
        line, end, rest = piece.partition(b"\n")
        digest.update(line)
        size += len(line)
        if end:
            return Oversized(begun[:KEPT], size, digest.hexdigest()), rest
    return Oversized(begun[:KEPT], size, digest.hexdigest()), b""


def lines_of(block: Block, block_bytes: int) -> list[bytes | Oversized]:
    """The lines of a block without their ends; blank ones are there too."""
    bom = _BOM if block.first else b""
    if block.oversized is not None:
        return [block.oversized]
    if block.data is None and block.size > block_bytes + 2 * MAX_BYTES:
        found: list[bytes | Oversized] = []
        with Path(block.path).open("rb", buffering=0) as file:
            file.seek(block.start)
            for lines in _whole_lines(_bounded(file, block.size), block_bytes):
                if isinstance(lines, Oversized):
                    found.append(lines)
                else:
                    found += _split(lines if found else lines.removeprefix(bom))
        return found
    data = block.data
    if data is None:
        with Path(block.path).open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), block.size, block.start)
        if len(data) < block.size:
            raise ReplayError(
                f"{block.path}: became shorter while it was read; replay it when nobody writes to it"
            )
    return list(_split(data.removeprefix(bom)))


def _split(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _bounded(file: BinaryIO, size: int) -> Callable[[int], bytes]:
    left = size

    def read(most: int) -> bytes:
        nonlocal left
        piece = file.read(min(most, left))
        left -= len(piece)
        return piece

    return read


def digest_of(path: str, size: int) -> str:
    """SHA-256 of the first `size` bytes of a file."""
    digest = hashlib.sha256()
    with Path(path).open("rb", buffering=0) as file:
        while size and (piece := file.read(min(1 << 20, size))):
            digest.update(piece)
            size -= len(piece)
    return digest.hexdigest()
