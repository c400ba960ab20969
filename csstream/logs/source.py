"""An opened input: rows of any kind of file, each with the line where it begins."""

from collections.abc import Callable, Iterator, Sequence

from csstream.logs.cell import Cells
from csstream.logs.fault import Fault


class Source:
    """One input: its header, its rows, and of the row last given the original text and how far it is in the file.

    `unseen`: mapped columns that no row had so far, where a log has no header that would tell.
    """

    def __init__(
        self,
        header: Sequence[str],
        rows: Iterator[tuple[int, Cells | Fault]],
        *,
        raw: Callable[[], str],
        share: Callable[[], float],
        how: str,
        close: Callable[[], None] = lambda: None,
        unseen: set[str] | None = None,
    ) -> None:
        self.header = header
        self.rows = rows
        self.raw = raw
        self.share = share
        self.how = how
        self.close = close
        self.unseen = set() if unseen is None else unseen
