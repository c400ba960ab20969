"""The memory ledger keeps the contract, and dies where it is told to."""

from collections.abc import Awaitable, Callable

import pytest

from csstream.ledgers import Ledger, LedgerError
from csstream.ledgers.memory import Fault, MemoryLedger, Store
from tests.ledgers.contract import CONTRACT, Keeper, step


class MemoryKeeper:
    def __init__(self) -> None:
        self.store = Store()

    def owner(self) -> Ledger:
        return MemoryLedger(self.store)

    def published(self) -> tuple[list[str], list[str], int]:
        store = self.store
        return [f.fact for f in store.facts], [a.alert for a in store.alerts], len(store.dead_letters)


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
async def test_the_memory_ledger_keeps_the_contract(check: Callable[[Keeper], Awaitable[None]]) -> None:
    await check(MemoryKeeper())


@pytest.mark.parametrize(("fault", "kept"), [(Fault.BEFORE, 0), (Fault.AFTER, 1)])
async def test_a_fault_is_before_or_after_the_commit(fault: Fault, kept: int) -> None:
    store = Store()
    ledger = MemoryLedger(store, iter([fault]))
    await ledger.open()
    with pytest.raises(LedgerError):
        await ledger.commit(step("f", {b"a": b"1"}), {"cs.chat": 1})
    assert (len(store.facts), len(store.rows), len(store.positions)) == (kept, kept, kept)
    await ledger.commit(step("g", {b"b": b"1"}), {"cs.chat": 2})
    assert len(store.facts) == kept + 1
