"""Words from outside, made harmless before they stand in a message.

Ids of agents, shops and groups come from other systems and may hold anything: a line break that forges a second
message, marks that hide or turn text, a link, a mention that wakes a thousand people. No service has one reliable
way to quote all of that, so it is taken out, or replaced by its full-width twin, which reads the same and does nothing.
"""

import re
import unicodedata

_TWINS = str.maketrans({mark: chr(ord(mark) + 0xFEE0) for mark in "@<>[]*_`#~|\\"})
_SCHEME = re.compile(r"(?i)(\w[\w+.-]*):(?=//)|(javascript|data|vbscript|file|mailto|tel):")
_CUT = "…"


def plain(text: str, most: int = 200) -> str:
    """The text on one line, without control, format or private characters, at most `most` characters."""
    spaced = "".join(
        " " if character.isspace() else "" if unicodedata.category(character)[0] == "C" else character
        for character in text
    )
    joined = " ".join(spaced.split())
    return joined if len(joined) <= most else joined[: most - 1] + _CUT


def inert(text: str, most: int = 200) -> str:
    """`plain`, and with nothing in it that a chat service takes for a mention, a link or markup."""
    return _SCHEME.sub(r"\1\2：", plain(text, most)).translate(_TWINS).replace("www.", "www．")


def masked(customer: str) -> str:
    """A customer as shown to people: enough to tell two apart, too little to look one up."""
    kept = plain(customer, 64)
    return "***" if len(kept) < 4 else f"{kept[0]}***{kept[-1]}"


def cut_bytes(text: str, most: int) -> str:
    """The text in at most `most` bytes of UTF-8, cut between characters."""
    raw = text.encode()
    if len(raw) <= most:
        return text
    return raw[: most - len(_CUT.encode())].decode("utf-8", "ignore") + _CUT
