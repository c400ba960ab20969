"""Alerts to people inside `csstream serve`, where the file of the marks gives way."""

import asyncio
from pathlib import Path

import pytest

from csstream.core.engine import Step
from csstream.ledgers import LedgerError
from csstream.ledgers.sqlite import SqliteLedger
from csstream.notify.config import Config
from csstream.policy import load
from csstream.serve.notices import Notices
from tests.notify.days import alert


@pytest.mark.parametrize("_again", range(8))  # which of two tasks is looked at first is chance
async def test_marks_that_cannot_be_kept_are_an_error_and_never_a_silent_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _again: int
) -> None:
    store = SqliteLedger(tmp_path / "ledger.db")
    await store.open()
    await store.commit(Step(alerts=[alert("overload|s|anna|1")]), {})
    await store.close()

    async def full(*_: object) -> None:
        raise LedgerError("there is no space on the disk")

    monkeypatch.setattr(SqliteLedger, "commit", full)
    notices = Notices(Config({}), load("handbook"), tmp_path / "ledger.db", tmp_path / "notified.db")
    telling = asyncio.create_task(notices.run())
    await asyncio.wait([telling], timeout=10)
    assert telling.done()
    assert not telling.cancelled(), "nobody would hear that nobody is told any more"
    assert isinstance(telling.exception(), LedgerError)
