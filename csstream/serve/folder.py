"""The folder of `csstream serve --data DIR`: what lies in it, and that one process at a time works in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class FolderError(Exception):
    """The folder cannot be used."""


@dataclass(frozen=True)
class Folder:
    """Where everything lies. Back it up while nothing runs, or the `.db` files with SQLite's own `.backup`."""

    path: Path

    @property
    def inbox(self) -> Path:
        """What came in."""
        return self.path / "inbox.db"

    @property
    def ledger(self) -> Path:
        """State, and what went out."""
        return self.path / "ledger.db"

    @property
    def token(self) -> Path:
        """The token that was made here."""
        return self.path / "token"

    @property
    def marks(self) -> Path:
        """What was told to whom."""
        return self.path / "notified.db"

    @property
    def wall_link(self) -> Path:
        """The link with which one can look at the wall."""
        return self.path / "wall-link"


@contextmanager
def owned(path: Path) -> Iterator[Folder]:
    """The folder, made if need be and ours until the end; only its owner may look into it. Raises FolderError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FolderError(
            f"{path}: {error.strerror}; name a folder that can be written with --data"
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FolderError(
                f"{path}: another csstream serve works in it; end that one, or give another --data"
            ) from None
        yield Folder(path)
    finally:
        os.close(lock)
