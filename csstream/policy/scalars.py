"""Values that are one number, word or yes: each is taken as TOML types it, so that `"5"` is never read as 5.

A ratio is exact (`Fraction`, never float), because what it makes of a threshold is compared to the millisecond.
"""

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from csstream.policy.durations import seconds_or_text
from csstream.policy.kind import Kind
from csstream.policy.mistakes import Wrong, quoted


def whole(least: int, most: int = 1_000_000) -> Kind:
    """Whole numbers from `least` to `most`."""

    def read(value: object, path: str, wrong: Wrong) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            wrong(path, f"must be a whole number, not {quoted(value)}: write it bare, without quotes or unit")
            return least
        if not least <= value <= most:
            wrong(path, f"must be from {least} to {most}, not {value}")
        return value

    return Kind(read, lambda value: value, seconds_or_text)


def _read_yes_no(value: object, path: str, wrong: Wrong) -> bool:
    if not isinstance(value, bool):
        wrong(path, f"must be true or false, not {quoted(value)}: write it without quotes")
    return value is True


YES_NO = Kind(_read_yes_no, lambda value: value, lambda text: {"true": True, "false": False}.get(text, text))


def _read_ratio(value: object, path: str, wrong: Wrong) -> Fraction:
    finite = isinstance(value, int | Decimal) and not isinstance(value, bool) and Decimal(value).is_finite()
    ratio = Fraction(value) if finite and isinstance(value, int | Decimal) else Fraction(-1)
    if not 0 <= ratio < 1:
        wrong(
            path,
            f"must be a number from 0 to below 1, not {quoted(value)}: at 1 an alert would end as it begins",
        )
    elif 10_000 % ratio.denominator:
        wrong(path, f"must have at most four decimals, not {quoted(value)}: write `{float(ratio):.2f}`")
    return ratio


def _ratio_of(text: str) -> object:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


RATIO = Kind(_read_ratio, float, _ratio_of)


def _read_ident(value: object, path: str, wrong: Wrong) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", value):
        wrong(
            path,
            f"must be 1 to 64 of letters, digits, `-`, `_`, `.`, not {quoted(value)}: it is part of every fact",
        )
    return str(value)


IDENT = Kind(_read_ident, str)
