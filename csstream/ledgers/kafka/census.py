"""How many rows a partition keeps, by family (`csstream_rows`).

The topic cannot be asked, for it holds every row several times until it is compacted; and the rows themselves are not
kept in memory. So their keys are: about 100 bytes a row, and a count that costs nothing to read.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from csstream.core.rows import decode_key


class Census:
    """The keys of the rows there are. Only where keys are those of `core.rows`."""

    def __init__(self) -> None:
        self._keys: set[bytes] = set()
        self.counts: Counter[str] = Counter()
        """Rows by family, as last committed."""

    def begin(self, keys: Iterable[bytes]) -> None:
        """These are all rows there are."""
        self._keys = set(keys)
        self.counts = Counter(map(_family, self._keys))

    def note(self, rows: Mapping[bytes, bytes | None]) -> None:
        """Rows were written, or ended (None)."""
        for key, row in rows.items():
            if row is None:
                if key in self._keys:
                    self._keys.remove(key)
                    self.counts[_family(key)] -= 1
            elif key not in self._keys:
                self._keys.add(key)
                self.counts[_family(key)] += 1


def _family(key: bytes) -> str:
    return decode_key(key)[0]
