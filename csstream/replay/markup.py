"""Text into HTML, so that no text can become anything else.

Ids in a log are written by strangers. Whatever is a plain `str` here is escaped on its way into an element; only
`Html`, which nothing but this module makes of data, goes in as it is. What could not be seen (direction
overrides, zero-width and control characters, unusual spaces) is written out, since two ids that look alike
must not be one to the reader.
"""

import html
from collections.abc import Iterable


class Html(str):
    """Markup that is safe as it stands."""

    __slots__ = ()


def text(value: object) -> Html:
    """Data as text: escaped, with every character that cannot be seen as `\\u202e`."""
    shown = str(value)
    if not shown.isprintable():
        shown = "".join(sign if sign.isprintable() else _written(sign) for sign in shown)
    return Html(html.escape(shown))


def _written(sign: str) -> str:
    number = ord(sign)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def join(parts: Iterable[str]) -> Html:
    """One piece of markup from several; plain strings among them are escaped."""
    return Html("".join(part if type(part) is Html else text(part) for part in parts))


def tag(name: str, *children: str, **attributes: object) -> Html:
    """An element. Attribute names lose a last underscore and have hyphens for others; None leaves one out."""
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{pairs}>{join(children)}</{name}>")


def ident(value: str) -> Html:
    """An id from a log, with a reading direction of its own."""
    return tag("bdi", value, class_="id")


def both(zh: str, en: str) -> Html:
    """A label in both languages."""
    return join((tag("span", zh, class_="zh"), Html(" "), tag("span", en, class_="en", lang="en")))
