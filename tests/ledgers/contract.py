"""What every ledger owes the runner. A ledger's test gives `Keeper`s of one store to these checks."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import pytest

from csstream.core.engine import DeadLetter, Record, Step
from csstream.core.facts import Consult
from csstream.ledgers import FencedError, Ledger


class Keeper(Protocol):
    """One place where steps are kept, over all its owners."""

    def owner(self) -> Ledger:
        """A new owner, not open yet."""

    def published(self) -> tuple[list[str], list[str], int]:
        """Fact ids, alert ids and the number of dead letters that a committed reader sees."""


def step(name: str, rows: dict[bytes, bytes | None]) -> Step:
    """A step with one fact, one dead letter and rows."""
    fact = Consult(
        fact=name, rev=1, shop="s", agent=None, customer="c", ts=1, policy="p", evidence=[],
        day="2026-11-21", replied_any=True, replied_strict=False, presale=True, ordered="no",
    )  # fmt: skip
    letter = DeadLetter("not_json", "no", Record("cs.chat", 0, 7, b"{"))
    return Step([fact], [], [letter], rows)


async def keeps_a_step_for_the_next_owner(keeper: Keeper) -> None:
    """Rows, positions and what was published are there after a restart."""
    first = keeper.owner()
    assert await first.open() == ({}, {})
    await first.commit(step("f1", {b"a": b"1", b"b": b"2"}), {"cs.chat": 8})
    await first.commit(step("f2", {b"a": b"3", b"b": None}), {"cs.chat": 9, "cs.orders": 1})
    await first.close()
    rows, positions = await keeper.owner().open()
    assert rows == {b"a": b"3"}
    assert positions == {"cs.chat": 9, "cs.orders": 1}
    assert keeper.published() == (["f1", "f2"], [], 2)


async def fences_an_earlier_owner(keeper: Keeper) -> None:
    """Who has been replaced can keep nothing any more, and what it tried is not seen."""
    first, second = keeper.owner(), keeper.owner()
    await first.open()
    await first.commit(step("f1", {b"a": b"1"}), {"cs.chat": 1})
    rows, _ = await second.open()
    assert rows == {b"a": b"1"}
    with pytest.raises(FencedError):
        await first.commit(step("f2", {b"a": b"2"}), {"cs.chat": 2})
    await second.commit(step("f3", {b"b": b"3"}), {"cs.chat": 2})
    rows, positions = await keeper.owner().open()
    assert rows == {b"a": b"1", b"b": b"3"}
    assert positions == {"cs.chat": 2}
    assert keeper.published()[0] == ["f1", "f3"]


async def keeps_rows_of_any_bytes(keeper: Keeper) -> None:
    """Keys and rows are opaque."""
    rows: dict[bytes, bytes | None] = {bytes([n, 0, 255 - n]): bytes([0, 10, n]) * n for n in range(1, 200)}
    owner = keeper.owner()
    await owner.open()
    await owner.commit(step("f", rows), {})
    again, _ = await keeper.owner().open()
    assert again == rows


CONTRACT: tuple[Callable[[Keeper], Awaitable[None]], ...] = (
    keeps_a_step_for_the_next_owner,
    fences_an_earlier_owner,
    keeps_rows_of_any_bytes,
)
