"""A secret: it can be used, and not be shown by accident.

Addresses of chat robots are secrets too, for the token stands in them.
"""


class Secret:
    """Text that `repr`, `str` and a trace never show; `text()` gives it to whoever has to send it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def text(self) -> str:
        """The secret itself; for the wire only."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not written anywhere")
