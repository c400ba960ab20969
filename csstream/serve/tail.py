"""A file that grows, line by line, over rotation and restart: each line once.

Which file was read is told by its first bytes, or while nothing was read of it, by its inode; its name says nothing
once it is rotated. Rotated by renaming, the old file is read to its end before the next is begun. Cut off in place
(`copytruncate`), what is left of it is read from the copy beside it. So it is after a restart too, as long as what was
written meanwhile is still there, unpacked. A line counts when its end is there.
"""

import logging
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from csstream.events import MAX_BYTES
from csstream.serve.place import HEAD, Place

CHUNK = 2 * MAX_BYTES
"""Bytes looked at in one go; more than the longest line that is an event."""

GRACE_S = 5.0
"""How long a file that was renamed must not have grown before the next one is begun: its writer may not know yet."""

_PACKED = (".gz", ".zst", ".bz2", ".xz", ".lz4")

_log = logging.getLogger(__name__)


class FollowError(Exception):
    """A path cannot be followed."""


class Cut(NamedTuple):
    """Lines, without their ends, and the place behind them."""

    lines: list[bytes]
    place: Place


class Tail:
    """One followed path, from `place` on. Everything here may wait for a disk: call it in a thread."""

    def __init__(
        self, path: str, place: Place | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = Path(path)
        self.place = place or Place(path)
        self._clock = clock
        self._file: BinaryIO | None = None
        self._later: list[Path] = []  # files between the one being read and the path, after a restart
        self._grown_s = 0.0
        self._size = -1
        self._missing = False

    def read(self) -> Cut | None:
        """The next whole lines; None when there are none yet. Raises FollowError, OSError."""
        while self._file is not None or self._open():
            cut = self._next_lines() if self._is_same(self._held()) else None
            if cut is None:
                if not self._is_left():
                    return None
                cut = self._rest()
            if cut is not None:
                self.place = cut.place
                return cut
            self._leave()
        return None

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    # ---- lines ------------------------------------------------------------------------------------------

    def _next_lines(self) -> Cut | None:
        file = self._held()
        offset = self.place.offset
        data = os.pread(file.fileno(), CHUNK, offset)
        end = data.rfind(b"\n") + 1
        if end:
            return Cut(data[: end - 1].split(b"\n"), self._behind(offset + end))
        if len(data) < CHUNK:
            return None
        return self._long_line(data, offset)

    def _long_line(self, data: bytes, offset: int) -> Cut | None:
        """Of a line that is no event by its length alone, so much as shows it."""
        file = self._held()
        at = offset + len(data)
        while more := os.pread(file.fileno(), CHUNK, at):
            end = more.find(b"\n") + 1
            if end:
                return Cut([data[: MAX_BYTES + 1]], self._behind(at + end))
            at += len(more)
        return None

    def _rest(self) -> Cut | None:
        """The last line of a file that nobody writes to any more, where it has no end."""
        file = self._held()
        offset = self.place.offset
        data = os.pread(file.fileno(), MAX_BYTES + 1, offset) if self._is_same(file) else b""
        return Cut([data], self._behind(offset + len(data))) if data else None

    def _behind(self, offset: int) -> Place:
        file = self._held()
        return Place(str(self._path), _inode(file), offset, os.pread(file.fileno(), min(HEAD, offset), 0))

    def _held(self) -> BinaryIO:
        assert self._file is not None, "no file is open"
        return self._file

    # ---- files ------------------------------------------------------------------------------------------

    def _open(self) -> bool:
        """Open the file to be read next, if it is there."""
        path = self._later.pop(0) if self._later else self._path
        try:
            plain = stat.S_ISREG(path.stat().st_mode)  # to open a pipe would be to wait for its writer
            file: BinaryIO | None = path.open("rb") if plain else None
        except FileNotFoundError:
            if not self._missing:
                _log.info("%s is not there yet; waiting for it", path)
            self._missing = True
            return False
        except OSError as error:
            raise FollowError(f"{path}: cannot be read: {error.strerror}") from None
        if file is None:
            raise FollowError(f"{path}: only a plain file can be followed")
        self._missing = False
        self._size = -1
        self._file = file if self._is_same(file) else self._find(file)
        return True

    def _is_same(self, file: BinaryIO) -> bool:
        """Whether this is the file that was read up to the place, or was to be read."""
        place = self.place
        if not place.offset:
            return place.inode in (0, _inode(file))
        size = os.fstat(file.fileno()).st_size
        return size >= place.offset and os.pread(file.fileno(), len(place.head), 0) == place.head

    def _find(self, current: BinaryIO) -> BinaryIO:
        """The file that was read, under its new name; where it is gone, the current one from its beginning."""
        for path in self._beside():
            file = path.open("rb")
            if self._is_same(file):
                if self.place.inode == _inode(current):  # cut off in place: nobody writes to the copy
                    self._size, self._grown_s = os.fstat(file.fileno()).st_size, float("-inf")
                current.close()
                self._later = self._since(file)
                return file
            file.close()
        _log.warning(
            "%s: the file that was read up to byte %d is not beside it any more; lines behind that are not taken",
            self._path,
            self.place.offset,
        )
        self.place = Place(str(self._path))
        return current

    def _beside(self) -> list[Path]:
        """Plain files that may be the path's, rotated."""
        return [path for path in self._path.parent.glob(f"{self._path.name}?*") if path.is_file()]

    def _since(self, file: BinaryIO) -> list[Path]:
        """Rotated files that were written after the last line of `file`, in their order."""
        ended_ns = os.fstat(file.fileno()).st_mtime_ns
        found = []
        for path in self._beside():
            written_ns = path.stat().st_mtime_ns
            if written_ns <= ended_ns:
                continue
            if path.suffix in _PACKED:
                _log.warning("%s was written after the last look and is packed: it is not taken", path)
                continue
            with path.open("rb") as other:
                if not self.place.offset or not self._is_same(
                    other
                ):  # a copy of what was read is no later file
                    found.append((written_ns, path))
        return [path for _, path in sorted(found)]

    def _is_left(self) -> bool:
        """Whether the open file is read to its end, and its writer has gone on to another."""
        file = self._held()
        if not self._is_same(file):
            return True
        size = os.fstat(file.fileno()).st_size
        if size != self._size:
            self._size, self._grown_s = size, self._clock()
        if self._later:
            return True
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        new = there.st_ino != _inode(file) and there.st_size > 0
        return new and self._clock() - self._grown_s >= GRACE_S

    def _leave(self) -> None:
        """Go on to the next file: after a cut in place to the rest of the copy, else to what was written since."""
        file = self._held()
        if self._is_same(file):
            self._later = self._since(file)
            self.place = Place(str(self._path))
        self.close()


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino
