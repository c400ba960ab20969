"""Tables of the page: wide ones scroll by themselves, and figures stand to the right."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from csstream.replay.figures import Row
from csstream.replay.markup import Html, both, tag


@dataclass(frozen=True)
class Column:
    """One column: its head in both languages, and how it shows a row."""

    zh: str
    en: str
    cell: Callable[[Row], Html]
    """The whole `td`."""
    numeric: bool = True

    def head(self) -> Html:
        """The `th` over it, in both languages."""
        return tag("th", both(self.zh, self.en), class_="n" if self.numeric else None, scope="col")


def table(
    columns: Sequence[Column], rows: Iterable[Row], total: Html | None = None, *, sortable: bool = True
) -> Html:
    """Rows under columns, with a `total` above them; a click on a head sorts what is `sortable`."""
    body = (tag("tr", *(column.cell(row) for column in columns)) for row in rows)
    return tag(
        "div",
        tag(
            "table",
            tag("thead", tag("tr", *(column.head() for column in columns)), total or Html("")),
            Html("\n"),
            tag("tbody", *(part for row in body for part in (row, Html("\n")))),
            class_="sortable" if sortable else None,
        ),
        class_="scroll",
    )


def plain(heads: Sequence[tuple[str, str]], rows: Iterable[Sequence[Html]], numbers: int = 1) -> Html:
    """A table of a few plain columns, the last `numbers` of them figures."""
    first = len(heads) - numbers
    return tag(
        "div",
        tag(
            "table",
            tag(
                "thead",
                tag(
                    "tr",
                    *(
                        tag("th", both(*head), class_="n" if at >= first else None, scope="col")
                        for at, head in enumerate(heads)
                    ),
                ),
            ),
            tag(
                "tbody",
                *(
                    tag(
                        "tr",
                        *(
                            tag("td", cell, class_="n" if at >= first else None)
                            for at, cell in enumerate(row)
                        ),
                    )
                    for row in rows
                ),
            ),
        ),
        class_="scroll",
    )


def left_out(zh: str, en: str) -> Html:
    """A note beside a table: what it shows, and where the rest is."""
    return tag("p", both(zh, en), class_="note")
