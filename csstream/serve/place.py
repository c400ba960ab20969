"""How far a followed file was read, and which file that was: what is kept of it over a restart.

A name says nothing once a log is rotated. The inode says which file was read, and its first bytes tell when the same
inode holds something else: cut off and begun anew, or given to another file.
"""

from typing import NamedTuple

HEAD = 256
"""First bytes of a file that are remembered, as far as it was read."""


class Place(NamedTuple):
    """A followed path, the file that was read under it, the offset behind the last line taken, and its first bytes."""

    path: str
    inode: int = 0
    offset: int = 0
    head: bytes = b""
