"""What a kind of sink is: its name, the fields of its configuration, its pace, and how one is made.

One value of this is all that the configuration, the outbox and the README know of a service.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from csstream.notify.message import Answer, Message
from csstream.notify.secret import Secret
from csstream.notify.target import UNLIMITED, Rate
from csstream.notify.wording import Voice


class Sink(Protocol):
    """One way to reach people."""

    async def send(self, message: Message) -> Answer:
        """Send a message once, and say what became of it."""

    async def close(self) -> None:
        """Let go of what is open."""


@dataclass(frozen=True)
class Field:
    """A field of a sink's configuration. A `url` and a `secret` may come from a file or the environment
    (`url_file`, `url_env`); a secret, and a URL that holds one (`secret_url`), only from there."""

    name: str
    form: Literal["text", "address", "addresses", "number", "url", "secret_url", "secret", "choice"]
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """What the configuration says of one sink."""

    name: str
    voice: Voice
    allow_private: bool = False
    timeout_s: float = 10.0
    texts: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    """Secrets, and URLs of every sort."""


@dataclass(frozen=True)
class SinkKind:
    """One kind of sink. `most` and `refresh_ms` as in `Target`."""

    name: str
    about: str
    fields: tuple[Field, ...]
    make: Callable[[Settings], Sink]
    rate: Rate = UNLIMITED
    most: int | None = None
    refresh_ms: int | None = None
