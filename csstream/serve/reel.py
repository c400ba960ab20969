"""Where the lines of a demo come from: the simulator, or a log that is read in a thread of its own.

A log may be a pipe that says nothing for an hour. Whoever reads it waits in a thread that nobody waits for, and
the event loop asks what is at hand: so Ctrl-C works whatever the log does.
"""

import gzip
import io
import queue
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import zstandard

from csstream.events import MAX_BYTES

CHUNK = 1_000
"""Lines handed over at once."""

_CHUNKS = 8  # read ahead by the thread
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class LogError(Exception):
    """A log cannot be read."""


class Line(NamedTuple):
    """One line of a log, without its end, and where it stands."""

    place: str
    value: bytes


class Reel(Protocol):
    """A source of lines."""

    def read(self) -> list[Line] | None:
        """The next lines; none if none are at hand yet, None at the end. Raises LogError."""


class Lines:
    """Lines that are there at once, such as the simulator's."""

    def __init__(self, lines: Iterator[bytes], chunk: int = 64) -> None:
        self._lines = lines
        self._chunk = chunk
        self._number = 0

    def read(self) -> list[Line] | None:
        """The next few lines."""
        found = []
        for value in islice(self._lines, self._chunk):
            self._number += 1
            found.append(Line(f"line {self._number}", value))
        return found or None


class Logs:
    """Log files, one after the other, or standard input (`-`); `.gz` and `.zst` are told by their first bytes."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = paths
        self._found: queue.Queue[list[Line] | LogError | None] = queue.Queue(_CHUNKS)
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def read(self) -> list[Line] | None:
        """What the thread has read since."""
        try:
            found = self._found.get_nowait()
        except queue.Empty:
            return []
        if isinstance(found, LogError):
            raise found
        return found

    def _run(self) -> None:
        try:
            for path in self._paths:
                self._read(path)
        except LogError as error:
            self._found.put(error)
        else:
            self._found.put(None)

    def _read(self, path: str) -> None:
        shown = "<stdin>" if path == "-" else path
        chunk: list[Line] = []
        try:
            with _opened(path) as file:
                for number, value in _lines(file):
                    chunk.append(Line(f"{shown}:{number}", value))
                    if len(chunk) == CHUNK:
                        self._found.put(chunk)
                        chunk = []
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise LogError(f"{shown}: cannot be read on ({error}); copy or unpack the file again") from None
        finally:
            if chunk:
                self._found.put(chunk)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank; of one that is too large only the beginning, which is refused as such."""
    number = 0
    while line := file.readline(MAX_BYTES + 2):
        number += 1
        whole = line.endswith(b"\n")
        while not whole and (rest := file.readline(MAX_BYTES)):
            whole = rest.endswith(b"\n")
        if value := line.strip():
            yield number, value


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    if path == "-":
        # Not sys.stdin: at the end of the program the interpreter wants that one's lock, which a reader may hold.
        with open(0, "rb", closefd=False) as stdin:
            yield stdin
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed below
    except IsADirectoryError:
        raise LogError(f"{path}: a directory; name the files in it, like {path}/*.jsonl") from None
    except OSError as error:
        raise LogError(f"{path}: cannot be read: {error.strerror}; check the path") from None
    with file:
        began = file.peek(4)[:4]
        if began[:2] == _GZIP:
            with gzip.open(file) as unpacked:
                yield io.BufferedReader(unpacked)
        elif began == _ZSTD:
            with zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as unpacked:
                yield io.BufferedReader(unpacked)
        else:
            yield file
