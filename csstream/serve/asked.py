"""What people ask of a running demo by keys, which need no Enter.

They come in on the event loop, and the terminal is put back as it was found.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

if sys.platform != "win32":
    import termios
    import tty


@contextmanager
def keys(on_key: Callable[[str], None]) -> Iterator[bool]:
    """Hand each key to `on_key` on the running event loop. Yields whether there are keys to be had."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield False
        return
    terminal = sys.stdin.fileno()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for key in os.read(terminal, 16).decode(errors="ignore"):
            on_key(key)

    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    loop.add_reader(terminal, read)
    try:
        yield True
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def no_keys() -> Iterator[bool]:
    """Where there is no screen there are no keys."""
    yield False
