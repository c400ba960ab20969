"""The marks that nothing may say: they stand in the chat text and in the secrets that tests make up.

Chat text and secrets are never printed or logged. A test that looks for a secret in one place says nothing of all the
others, so the marks are planted wherever tests make up text, tokens and passwords, and `leaks.py` looks for them in all
that any test, and any process that a test starts, puts out.
"""

import re
from functools import cache

MARK = "canary7f3a9"
TEXT = f"在吗 {MARK}"
"""What a customer says."""
SECRET = f"{MARK}-of-the-tests"
"""A token or a password."""

LEAST = 6
"""What is shorter may stand anywhere."""

_planted = {MARK}


def plant(text: str) -> str:
    """From now on this is a mark too: a secret that a program has made, chat text that it makes up. Returns it."""
    if len(text) < LEAST:
        raise ValueError(f"a mark of less than {LEAST} characters may stand anywhere")
    _planted.add(text)
    return text


def pattern() -> re.Pattern[bytes]:
    """What finds any of the marks; in JSON that is all ASCII too."""
    return _compiled(frozenset(_planted))


@cache
def _compiled(planted: frozenset[str]) -> re.Pattern[bytes]:
    forms = {text.encode() for text in planted} | {text.encode("unicode-escape") for text in planted}
    return re.compile(b"|".join(re.escape(form) for form in sorted(forms)))
