"""Lists of words: senders, channels, closing courtesies.

Each item is told by its own path, and a word that is there twice or could never match is a mistake: whoever wrote
it meant something else.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from csstream.policy.kind import Kind
from csstream.policy.mistakes import Wrong, quoted

SENDERS = ("human", "assist_bot", "bot", "auto", "template", "system")


def items(value: object, path: str, wrong: Wrong, example: str) -> Iterator[tuple[str, object]]:
    """The items of a list, each with its own path; `example` is told where the value is no list."""
    if not isinstance(value, list):
        wrong(path, f"must be a list, not {quoted(value)}: write `{example}`")
        return
    for index, item in enumerate(value):
        yield f"{path}[{index}]", item


def by_comma(text: str) -> object:
    """The parts of `--set` text, parted by commas; `none` is the empty list."""
    return [] if text == "none" else [part.strip() for part in text.split(",")]


def choices(known: Sequence[str], *, least: int) -> Callable[[object, str, Wrong], tuple[str, ...]]:
    """A reader of lists of the known words, each once and at least `least` of them, in the order given."""

    def read(value: object, path: str, wrong: Wrong) -> tuple[str, ...]:
        chosen: list[str] = []
        for at, item in items(value, path, wrong, f'["{known[0]}", "{known[-1]}"]'):
            if item not in known:
                wrong(at, f"must be one of {', '.join(known)}, not {quoted(item)}")
            elif item in chosen:
                wrong(at, f"says {quoted(item)} twice: leave one out")
            else:
                chosen.append(str(item))
        if isinstance(value, list) and len(value) < least:
            wrong(path, f"must not be empty: name at least one of {', '.join(known)}")
        return tuple(chosen)

    return read


def senders(*, least: int) -> Kind:
    """Sets of senders (SPEC 1), at least `least` of them."""
    read = choices(SENDERS, least=least)
    return Kind(
        lambda value, path, wrong: frozenset(read(value, path, wrong)),
        lambda chosen: [sender for sender in SENDERS if sender in chosen],
        by_comma,
    )


def _unmatchable(character: str) -> bool:
    """A closing courtesy is compared without these (SPEC 4)."""
    return (
        character in "~～"
        or unicodedata.category(character)[0] in "PZ"
        or unicodedata.category(character) == "Cc"
    )


def _read_words(value: object, path: str, wrong: Wrong) -> tuple[str, ...]:
    words: dict[str, str] = {}
    for at, item in items(value, path, wrong, '["好的", "ok"]'):
        if not isinstance(item, str) or not item:
            wrong(at, f"must be a word in quotes, not {quoted(item)}")
        elif removed := "".join(filter(_unmatchable, item)):
            wrong(
                at,
                f"could never match, {quoted(item)} has {quoted(removed)}, removed before comparing: leave that out",
            )
        elif item.casefold() in words:
            wrong(at, f"says {quoted(item)} twice (case does not matter): leave one out")
        else:
            words[item.casefold()] = item
    return tuple(words.values())


WORDS = Kind(_read_words, list, lambda text: [] if text == "none" else re.split(r"[,\s]+", text))

ORDER = Kind(choices(("memo", "sku", "chat"), least=1), list, by_comma)
"""What an order is attributed by, first to last."""
