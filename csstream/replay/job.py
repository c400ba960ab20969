"""What is asked of a replay, and what comes back. Plain values, so that a command line or a test can make them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from csstream.policy import Policy

MIB = 1 << 20


class ReplayError(Exception):
    """The run cannot go on (exit status 1): the text names the file and the way out. No output was touched."""


@dataclass(frozen=True, slots=True)
class Job:
    """One replay: which logs, under which policies, where to.

    `inputs` are paths, `-` is standard input; gzip and zstandard are recognised by their content. `from_ms` and
    `to_ms` bound the events that are read, half-open. `block_bytes` is what one process reads and sorts at a
    time, `range_bytes` what it tells at a time: memory is a small multiple of both (and at least one customer's
    events), times `workers`, whatever the size of the log.
    """

    inputs: tuple[str, ...]
    out: Path
    policies: tuple[Policy, ...]
    workers: int = 1
    from_ms: int | None = None
    to_ms: int | None = None
    opened: Mapping[str, BinaryIO] = field(default_factory=dict)
    """Inputs that are no files, by name, as they are read."""
    block_bytes: int = 16 * MIB
    range_bytes: int = 16 * MIB

    def __post_init__(self) -> None:
        for name in ("inputs", "policies"):
            if not getattr(self, name):
                raise ValueError(f"job.{name} is empty; give at least one")
        for name in ("workers", "block_bytes", "range_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"job.{name} is {getattr(self, name)}; give at least 1")
        for name in ("-", *self.opened):
            if self.inputs.count(name) > 1:
                raise ValueError(f"job.inputs names `{name}` twice; it can be read once")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `phase`: `reading`, `auditing`, `writing`; `total` is None where it is not known (a pipe).

    `done` and `total` are bytes of the phase; `lines` counts the lines read so far.
    """

    phase: str
    done: int
    total: int | None
    lines: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did. One entry of `shops` and `folders` a policy, in the order of `Job.policies`.

    `counts` are those of the manifest under the first policy; `shops` are totals over all days, one row a shop.
    """

    counts: dict[str, Any]
    folders: tuple[Path, ...]
    policies: tuple[str, ...]
    shops: tuple[list[dict[str, Any]], ...]
    dead_letters: dict[str, int]
    notes: tuple[str, ...]
    seconds: float
    bytes: int
    what_if: Path | None = None
    examples: tuple[dict[str, Any], ...] = field(default=())
    """The first few dead letters: `file`, `line`, `reason`, `error`."""
