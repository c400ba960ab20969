"""Being asked to end: who listens, and what is there afterwards."""

import asyncio
import os
import signal

from csstream.signals import stop_signals


async def test_whoever_listened_before_listens_again_afterwards() -> None:
    heard: list[int] = []
    found = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        asked = asyncio.Event()
        with stop_signals(asked.set):
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(5):
                await asked.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard == [signal.SIGTERM], "what is cleared away at the end is cleared away in peace"
    finally:
        signal.signal(signal.SIGTERM, found)
