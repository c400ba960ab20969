"""How a mistake in a policy is told: the place, the value as it was written, and the way out.

A file is refused whole with all of its mistakes at once, so reading goes on after one: a reader tells a `Wrong` of
it and gives any value of its type.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence

Wrong = Callable[[str, str], None]
"""Takes the path of a value (`alert.levels[1].over`) and what is wrong with it."""


class PolicyError(ValueError):
    """A policy that cannot be used; the text has one line for each mistake, `problems` the same as a tuple."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type["PolicyError"], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


def quoted(value: object) -> str:
    """A value as the file has it, cut where it is long, for the text of a mistake."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    text = f'"{value}"' if isinstance(value, str) else f"`{value}`"
    return text if len(text) <= 60 else f"{text[:57]}..."


def nearest(name: str, names: Iterable[str]) -> str:
    """A question that names the nearest of the names, or all of them where none is near."""
    known = {name.casefold(): name for name in names}
    wanted = name.casefold()
    last = wanted.rpartition(".")[2]
    close = difflib.get_close_matches(
        wanted, [name for name in known if name.rpartition(".")[2] == last], 1, 0.0
    )
    close = close or difflib.get_close_matches(wanted, known, 1, 0.6)
    return f"did you mean `{known[close[0]]}`?" if close else f"known are {', '.join(known.values())}"
