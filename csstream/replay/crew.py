"""The processes that share the work, or none at all where it is too little to share.

Work goes out in small pieces and comes back as it is done; at most a few pieces are under way, so whoever makes
them is held back and memory stays level. Every result must therefore carry what it is about.
"""

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from types import TracebackType
from typing import Any, TypeVar

from csstream.replay.job import ReplayError

Result = TypeVar("Result")
Piece = Callable[[], Result]

_stop: Any = None  # in a worker: set when the run is given up


class GivenUp(Exception):  # noqa: N818 - no fault: the run was ended
    """Raised in a worker when the run has been given up."""


def look_up() -> None:
    """Called now and then by long work: ends it when the run has been given up."""
    if _stop is not None and _stop.value:
        raise GivenUp


class Crew:
    """Runs pieces of work on `workers` processes. A single piece, or a single worker, needs no process."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._fork = multiprocessing.get_context("fork")
        self._stop: Any = self._fork.RawValue("b", 0)

    def __enter__(self) -> "Crew":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._stop.value = kind is not None
            self._pool.shutdown(wait=True, cancel_futures=True)

    def work(self, pieces: Iterable[Piece[Result]]) -> Iterator[Result]:
        """Do all pieces; results come in the order in which they are done."""
        pieces = iter(pieces)
        ahead = list(islice(pieces, 2))
        if self._workers == 1 or len(ahead) < 2:
            for piece in chain(ahead, pieces):
                yield _calmly(piece)
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._workers, self._fork, initializer=_begin, initargs=(self._stop,)
            )
        under_way: set[Future[Result]] = set()
        try:
            for piece in chain(ahead, pieces):
                under_way.add(self._pool.submit(piece))
                if len(under_way) > 2 * self._workers:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while under_way:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        except BrokenProcessPool:
            raise ReplayError(
                "a worker process was killed, most likely for lack of memory; "
                "give fewer --workers, or more memory"
            ) from None


def _calmly(piece: Piece[Result]) -> Result:
    """Without the cycle collector: there are no cycles in this work, and looking for them costs a tenth."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        return piece()
    finally:
        if enabled:
            gc.enable()


def _begin(stop: Any) -> None:
    global _stop  # noqa: PLW0603 - one worker, one run
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it and ends us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.freeze()
    gc.disable()
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
