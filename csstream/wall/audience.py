"""Those who look on: one message is made for all of them, and nobody waits for the slowest.

A viewer has a short queue. Whoever does not read it away is let go, and comes back for the whole picture: so a
screen that hangs costs a few messages of memory, and nobody else anything.
"""

import asyncio

from csstream.wall.picture import Picture

GATHER_S = 0.2
"""What changes within it goes out together."""

BEAT_S = 1.0
"""The time alone goes out this often, so that a viewer knows the line is alive."""

BEHIND = 30
"""Messages that may wait for one viewer."""

VIEWERS = 1_000
"""Most viewers of one process."""


class Viewer:
    """One who looks on."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue(BEHIND + 1)

    def tell(self, message: bytes) -> bool:
        """Queue a message. False: too many wait already, this one is lost to the viewer."""
        if self._messages.qsize() >= BEHIND:
            return False
        self._messages.put_nowait(message)
        return True

    def leave(self) -> None:
        """There will be nothing more; what waits is not sent either."""
        while not self._messages.empty():
            self._messages.get_nowait()
        self._messages.put_nowait(None)

    async def next(self) -> bytes | None:
        """The next message; None is the end."""
        return await self._messages.get()


class Audience:
    """All viewers of a picture. `encoded` counts the messages made, however many read them."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.viewers: set[Viewer] = set()
        self.encoded = 0
        self.dropped = 0
        self._whole: bytes | None = None

    def join(self) -> Viewer | None:
        """A new viewer, who is told everything first; None if there is no room."""
        if len(self.viewers) >= VIEWERS:
            return None
        if self._whole is None or self.picture.changed:
            self.tell()  # so that the whole and the news after it fit together
            self._whole = _event(self.picture.whole())
            self.encoded += 1
        viewer = Viewer()
        viewer.tell(self._whole)
        self.viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """A viewer has gone."""
        self.viewers.discard(viewer)

    def tell(self) -> None:
        """Send what is new, or the time, to everybody."""
        message = _event(self.picture.news())
        self._whole = None
        self.encoded += 1
        for viewer in [viewer for viewer in self.viewers if not viewer.tell(message)]:
            self.viewers.discard(viewer)
            viewer.leave()
            self.dropped += 1

    async def run(self) -> None:
        """Tell what changes when it changes, and the time every second, until cancelled."""
        beat = 0.0
        while True:
            await asyncio.sleep(GATHER_S)
            beat += GATHER_S
            if self.picture.changed or beat >= BEAT_S:
                self.tell()
                beat = 0.0

    def close(self) -> None:
        """Let everybody go."""
        for viewer in self.viewers:
            viewer.leave()
        self.viewers.clear()


def _event(message: bytes) -> bytes:
    """A message in the form of server-sent events; JSON has no line end in it."""
    return b"data: " + message + b"\n\n"
