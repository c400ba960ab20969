"""The agents' numbers that an order's memo names (SPEC 6, Memo).

Memos are typed by people in a hurry: full-width digits, `號`, several numbers, dates and house numbers between
them. What the numbers mean, only the profiles know; here they are but found, in the order in which they count.
"""

import re
import unicodedata

_NAMED = re.compile(r"工\s*+[号號]\s*+:?\s*+([0-9]++)")
_NUMBERED = re.compile(r"(月\s*+)?(?<![0-9])([0-9]++)[号號](楼|院|线|门|店|仓|库|前|后|发货)?")
"""A number before `号`; after a month it is a day, before a house, a gate or a line it is an address."""


def numbers(memo: str) -> list[str]:
    """The numbers a memo names: all `工号 N`, then all `N号`; in text order, without leading zeros."""
    text = unicodedata.normalize("NFKC", memo)
    found = [match[1] for match in _NAMED.finditer(text)]
    found += [match[2] for match in _NUMBERED.finditer(text) if match[1] is None and match[3] is None]
    return [plain(number) for number in found]


def plain(number: str | int) -> str:
    """A number as memos and profiles are compared: NFKC, without leading zeros."""
    text = unicodedata.normalize("NFKC", str(number)).strip()
    return text.lstrip("0") or text[:1]
