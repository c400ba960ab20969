"""Standard output: for the first try, for the demo, and for whatever collects a process's output."""

import sys

from csstream.notify.message import Answer, Message
from csstream.notify.sinks.kind import Settings, SinkKind
from csstream.notify.wording import text_of


class Console:
    """Prints each message on one line."""

    def __init__(self, settings: Settings) -> None:
        self._voice = settings.voice

    async def send(self, message: Message) -> Answer:
        """Print it."""
        line = " | ".join(text_of(message, self._voice).whole().splitlines())
        # A sign that the terminal does not know must not hold up what comes after it for good.
        encoding = sys.stdout.encoding or "utf-8"
        try:
            print(line.encode(encoding, "replace").decode(encoding), flush=True)
        except (OSError, ValueError) as error:  # a ValueError where the file object is closed
            return Answer(False, f"standard output is closed ({type(error).__name__})")
        return Answer(True, "printed")

    async def close(self) -> None:
        """Nothing is open."""


CONSOLE = SinkKind("console", "standard output", (), Console)
