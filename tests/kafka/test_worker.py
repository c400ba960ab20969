"""The worker on a real broker: what it publishes is what a replay of the same records says, whatever dies."""

import json
import re
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from csstream.cli import cli
from csstream.simulate import Plan, lines
from tests.kafka.fleet import PARTITIONS, Fleet, Process, wait_until

OLD_MS = 1_767_225_600_000  # so old that no wall clock moves the shops (`live.within`): replay says the same
BROKEN = (
    b"{",
    b"[]",
    b'{"v":9,"id":"x","type":"message"}',
    b'{"id":"y","type":"nonsense","ts":1,"shop":"s"}',
    b'{"id":"z","type":"message","ts":1,"shop":"s","customer":"c","sender":"customer","text":"\n"}',
)


def shop_log(messages: int, seed: int = 1, shops: int = 8, start_ms: int | None = None) -> list[bytes]:
    """Events of some shops, out of order and doubled, with records that are none among them."""
    plan = Plan(
        seed=seed,
        start_ms=start_ms or OLD_MS,
        shops=shops,
        messages=messages,
        disorder_ms=5_000,
        duplicates=0.03,
    )
    log = list(lines(plan))
    for number in range(0, len(log), 200):
        log.insert(number, BROKEN[number // 200 % len(BROKEN)])
    return log


def assert_equals_replay(fleet: Fleet) -> None:
    """Facts, revisions, wait alerts and dead letters."""
    theirs, alerts = fleet.replayed()
    ours = fleet.facts()
    assert ours.keys() == theirs.keys()
    assert [name for name, fact in ours.items() if fact != theirs[name]] == []
    found = {name: alert for name, alert in fleet.alerts().items() if alert["rule"] == "wait"}
    expected = {name: alert for name, alert in alerts.items() if alert["rule"] == "wait"}
    assert found.keys() == expected.keys()
    # The group is as known when first published (SPEC 8): not yet, where the agents' topic came a moment later.
    pairs = [(alert, expected[name]) for name, alert in found.items()]
    assert [pair for pair in pairs if pair[0] not in (pair[1], pair[1] | {"group": None})] == []
    revisions = fleet.revisions()
    assert len(set(revisions)) == len(revisions), "a revision was published twice"
    letters = [tuple(sorted(dict(r.headers).items())) for r in fleet.read("dead-letters")]
    assert len(set(letters)) == len(letters), "a dead letter was published twice"


def test_a_worker_publishes_what_a_replay_says_and_shows_it(broker: str, tmp_path: Path) -> None:
    log = shop_log(2_000)
    with Fleet(broker, tmp_path) as fleet:
        fleet.write(log[:1_500])
        worker = fleet.start()
        fleet.settle()
        fleet.write(log[1_500:])
        fleet.settle()
        wait_until(lambda: worker.get("/readyz")[0] == 200, 30, "ready")
        rejected = [line for line in log if line in BROKEN]
        wait_until(lambda: worker.metric("events_total") == len(log), 30, "figures of all")
        assert worker.metric("events_total", result="rejected") == len(rejected)
        messages = {
            json.loads(line)["id"]
            for line in log
            if line not in BROKEN and b'"type":"message"' in line and b'"internal"' not in line
        }
        assert worker.metric("messages_total") <= len(messages)
        assert worker.metric("partitions", state="ready") == 4
        assert worker.metric("rows", kind="shop") == 8
        worker.send(signal.SIGTERM)
        assert worker.wait(10) == 0
        assert len(fleet.read("dead-letters")) >= len(rejected)
        assert_equals_replay(fleet)
        assert_topics_can_be_audited(fleet)


def assert_topics_can_be_audited(fleet: Fleet) -> None:
    """`replay kafka://` gives what a replay of the same records in a file gives."""
    out, empty = fleet.folder / "from-topics", fleet.folder / "empty"
    source = f"kafka://{fleet.connection.broker}/{fleet.name}."
    run = CliRunner().invoke(cli, ["replay", source, "--out", str(out), "--quiet", "--workers", "1"])
    assert run.exit_code == 0, run.output
    assert (out / "facts.jsonl").read_bytes() == (fleet.folder / "audit" / "facts.jsonl").read_bytes()
    later = ["replay", source, "--out", str(empty), "--from", "2027-01-01", "--json"]
    run = CliRunner().invoke(cli, later)
    assert run.exit_code == 0, run.output
    assert (empty / "facts.jsonl").read_bytes() == b""
    run = CliRunner().invoke(cli, ["replay", f"{source}typo.", "--out", str(empty)])
    assert run.exit_code == 1
    assert f"there is no topic {fleet.name}.typo.chat" in run.output


def test_an_audit_of_a_broker_that_is_not_there_says_so(tmp_path: Path) -> None:
    run = CliRunner().invoke(cli, ["replay", "kafka://127.0.0.1:1", "--out", str(tmp_path / "out")])
    assert run.exit_code == 1
    assert "no broker at 127.0.0.1:1 lets us in" in run.output


def shops_shown(worker: Process) -> set[str]:
    """The shops that a worker has series of."""
    return set(re.findall(r'csstream_messages_total\{shop="([^"]+)"', worker.get("/metrics")[1]))


def test_a_first_worker_begins_where_logs_begin_that_have_lost_their_oldest_records(
    broker: str, tmp_path: Path
) -> None:
    with Fleet(broker, tmp_path) as fleet:
        fleet.write(shop_log(2_000))
        fleet.lose("chat", before=100)
        worker = fleet.start()
        fleet.settle()
        assert_equals_replay(fleet)
        worker.kill()
        again = fleet.start()
        wait_until(lambda: again.metric("partitions", state="ready") == PARTITIONS, 40, "all are ready again")


@pytest.mark.slow
def test_a_frozen_worker_shows_no_shop_that_another_owns_by_now(broker: str, tmp_path: Path) -> None:
    with Fleet(broker, tmp_path) as fleet:
        log = shop_log(1_000)
        fleet.write(log)
        first = fleet.start()
        wait_until(lambda: first.metric("events_total") == len(log), 60, "figures of all at one worker")
        wait_until(lambda: len(shops_shown(first)) == 8, 30, "all shops")
        counted = first.metric("messages_total")
        second = fleet.start()
        wait_until(
            lambda: first.metric("partitions") == second.metric("partitions") == 2, 40, "two partitions each"
        )
        wait_until(lambda: len(shops_shown(first) | shops_shown(second)) == 8, 30, "all shops")
        assert not shops_shown(first) & shops_shown(second)
        first.send(signal.SIGSTOP)
        wait_until(lambda: len(shops_shown(second)) == 8, 60, "all shops at the other")
        first.send(signal.SIGCONT)
        for _ in range(20):
            assert not shops_shown(first) & shops_shown(second)
        # Back in the group it may get partitions again; for as long as they are handed over, nobody shows them.
        wait_until(
            lambda: second.metric("messages_total") + first.metric("messages_total") == counted,
            30,
            "the same counts, whoever shows them",
        )
