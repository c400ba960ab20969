"""The secret that a client must send: `Authorization: Bearer TOKEN`.

It comes from a file, from the environment, or is made on the first start and kept where only its owner can read it.
It is compared in constant time and never printed; messages name the file.
"""

import hmac
import os
import secrets
from pathlib import Path

from aiohttp import web

from csstream.web.problem import problem

LEAST = 16
"""Characters that a token has at least: a shorter one can be guessed."""


class TokenError(Exception):
    """There is no usable token."""


class Bearer:
    """One token."""

    def __init__(self, token: str) -> None:
        self.token = token
        """Never to be printed."""

    def allows(self, request: web.Request) -> bool:
        """Whether the request carries the token."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        sent = given.strip().encode("utf-8", "surrogateescape")
        return scheme.lower() == "bearer" and hmac.compare_digest(sent, self.token.encode())

    def derived(self, purpose: str) -> str:
        """Another secret, for one purpose, that can be given away: it tells nothing of the token."""
        return hmac.digest(self.token.encode(), purpose.encode(), "sha256").hex()[:32]

    def refusal(self, request: web.Request) -> web.Response | None:
        """The answer to a request that may not in, else None."""
        if self.allows(request):
            return None
        wrong = "this is not the token" if "Authorization" in request.headers else "a token is needed"
        return problem(
            401,
            f"{wrong}; send the header Authorization: Bearer TOKEN",
            headers={"WWW-Authenticate": 'Bearer realm="csstream"'},
        )


def read_token(path: Path) -> Bearer:
    """The token in a file, its first line. Raises TokenError."""
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise TokenError(f"the token file {path} cannot be read: {reason}") from None
    return _checked(text, str(path))


def given_token(text: str, origin: str) -> Bearer:
    """A token that was handed over as text; `origin` is how messages call it. Raises TokenError."""
    return _checked(text.strip(), origin)


def made_token(path: Path) -> Bearer:
    """The token in a file that is ours: made when it is not there yet, readable by its owner alone. Raises TokenError."""
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_token(path)
    except OSError as error:
        raise TokenError(f"the token file {path} cannot be made: {error.strerror}") from None
    try:
        with os.fdopen(made, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:  # a full disk; what is left would be refused at every start from now on
        path.unlink(missing_ok=True)
        raise TokenError(f"the token file {path} cannot be written: {error.strerror}") from None
    return read_token(path)


def _checked(text: str, origin: str) -> Bearer:
    if len(text) < LEAST or not text.isascii() or not text.isprintable() or " " in text:
        raise TokenError(
            f"{origin} holds no token: at least {LEAST} printable characters without blanks are needed, "
            "like those of `openssl rand -hex 32`"
        )
    return Bearer(text)
