"""The SQLite ledger keeps the contract, and what it answered for survives a kill."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from csstream.core.engine import Engine
from csstream.ledgers import Ledger, LedgerError
from csstream.ledgers.sqlite import PUBLISHED, SqliteLedger, read
from csstream.policy import load
from csstream.runner import Runner
from tests.laws.live import TOPICS, feed, records_of
from tests.laws.notation import chat
from tests.ledgers.contract import CONTRACT, Keeper, step

ROOT = Path(__file__).parents[2]


class SqliteKeeper:
    def __init__(self, path: Path) -> None:
        self.path = path

    def owner(self) -> Ledger:
        return SqliteLedger(self.path)

    def published(self) -> tuple[list[str], list[str], int]:
        with sqlite3.connect(self.path) as connection:
            facts = [fact for (fact,) in connection.execute("select fact from facts order by seq")]
            alerts = [alert for (alert,) in connection.execute("select alert from alerts order by seq")]
            (letters,) = connection.execute("select count(*) from dead_letters").fetchone()
        connection.close()
        return facts, alerts, letters


async def kept_in(path: Path) -> tuple[dict[bytes, bytes], dict[str, int]]:
    """What the next owner finds."""
    ledger = SqliteLedger(path)
    found = await ledger.open()
    await ledger.close()
    return found


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
async def test_the_sqlite_ledger_keeps_the_contract(
    check: Callable[[Keeper], Awaitable[None]], tmp_path: Path
) -> None:
    await check(SqliteKeeper(tmp_path / "ledger.db"))


def test_a_killed_owner_leaves_whole_steps_and_all_that_it_answered_for(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    answered = 0
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.ledgers.dying", str(path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            answered = int(line)
            if answered % 7 == 6:
                process.kill()
                break
        answered = max([answered, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
        rows, positions = asyncio.run(kept_in(path))
        kept = positions["cs.chat"]
        assert kept in (answered, answered + 1), "the step that was under way, whole or not at all"
        assert rows == {b"last": b"%d" % kept}
        facts, _, letters = SqliteKeeper(path).published()
        assert facts == [f"f{number}" for number in range(1, kept + 1)]
        assert letters == kept


async def test_a_partition_goes_on_from_the_file(tmp_path: Path) -> None:
    records = records_of(chat("10:00:00 c>A", "10:00:40 A human", "10:01:00 c>A @d"))
    path = tmp_path / "ledger.db"
    for part in (records[:1], records[1:]):
        ledger = SqliteLedger(path)
        runner = Runner(load("handbook"), ledger, TOPICS)
        await runner.open()
        feed(runner, part)
        while await runner.step():
            pass
        await runner.close()
    facts, alerts, _ = SqliteKeeper(path).published()
    assert [fact.split("|")[0] for fact in facts] == ["wait"]
    assert [alert.rsplit("|", 1)[1] for alert in alerts] == ["15", "30"]
    rows, _ = await kept_in(path)
    assert Engine(load("handbook"), rows).shops["s"].customers.keys() == {"c", "d"}


async def test_a_file_that_is_no_ledger_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database, and long enough to look at" * 100)
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        await SqliteLedger(path).open()
    with pytest.raises(LedgerError, match="no-folder"):
        await SqliteLedger(tmp_path / "no-folder" / "ledger.db").open()


async def test_a_file_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    await kept_in(path)
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version = 1000")
    connection.close()
    with pytest.raises(LedgerError, match="newer csstream"):
        await SqliteLedger(path).open()


async def test_what_was_published_is_read_by_number_and_forgotten_when_it_is_old(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    await ledger.open()
    for number in range(3):
        await ledger.commit(step(f"f{number}", {}), {"cs.chat": number})
    found = read(path, "facts", 1, 10)
    assert [(seq, json.loads(record)["fact"]) for seq, record in found] == [(2, "f1"), (3, "f2")]
    (letter,) = read(path, "dead_letters", 2, 10)
    assert json.loads(letter[1]) == {
        "reason": "not_json", "error": "no", "topic": "cs.chat", "position": 7, "raw": "{",
    }  # fmt: skip
    await ledger.sweep(0)
    assert len(read(path, "facts", 0, 10)) == 3
    await ledger.sweep(1 << 60)
    assert [read(path, table, 0, 10) for table in PUBLISHED] == [[], [], []]
    await ledger.commit(step("f3", {}), {"cs.chat": 4})
    assert [seq for seq, _ in read(path, "facts", 0, 10)] == [4], "no number is used again"
    await ledger.close()
