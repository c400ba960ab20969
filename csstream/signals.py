"""How a running program is asked to end: by Ctrl-C or SIGTERM, which come in on its event loop.

So what is under way ends in order, and both are put back as they were found.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM ask to stop; where an event loop cannot be asked so, Ctrl-C does what it always does."""
    loop = asyncio.get_running_loop()
    taken = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        found = signal.getsignal(number)
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop)
            taken[number] = found
    try:
        yield
    finally:
        for number, found in taken.items():
            loop.remove_signal_handler(number)
            signal.signal(number, found)  # the loop leaves the system's own, which ends a program on the spot
