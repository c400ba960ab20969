"""How many rows a partition keeps, by family (`csstream_rows`).

A compacted topic cannot be asked, for it holds every row several times until it is compacted; and the rows themselves are
not kept in memory. So their keys are: about 100 bytes a row, and a count that costs nothing to read.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from csstream.core.rows import family_of


class Census:
    """The keys of the rows there are."""

    def __init__(self, keys: Iterable[bytes] = ()) -> None:
        self._keys = set(keys)
        self.counts = Counter(map(family_of, self._keys))
        """Rows by family, as last committed."""

    def note(self, rows: Mapping[bytes, bytes | None]) -> None:
        """Rows were written, or ended (None)."""
        for key, row in rows.items():
            if row is None:
                if key in self._keys:
                    self._keys.remove(key)
                    self.counts[family_of(key)] -= 1
            elif key not in self._keys:
                self._keys.add(key)
                self.counts[family_of(key)] += 1
