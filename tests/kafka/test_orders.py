"""A shop's month of orders through Kafka, at the speed at which it can be written, while workers die: the same figures.

The log is years old, so no wall clock moves the shop (`live.within`) and its timers go by the log's own time; the
records themselves are of now, as are those of any log that is fed in again.
"""

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from csstream.policy import load, with_settings
from tests.kafka.fleet import Fleet, wait_until
from tests.tmall import PUBLISHED, SETTINGS, Figures, invented, published


def assert_counted(broker: str, folder: Path, log: Sequence[bytes], expected: Figures, kills: int) -> None:
    """Workers, of which so many are killed at work, make these figures of a log: in facts and in counters."""
    options = [word for setting in SETTINGS for word in ("--set", setting)]
    part = -(-len(log) // (kills + 1))
    with Fleet(broker, folder, settings=("--group-session", "6s", *options)) as fleet:
        fleet.policy = with_settings(load("handbook"), SETTINGS)
        fleet.write(log[:part])
        for kill in range(1, kills + 1):
            worker = fleet.start()
            wait_until(worker.owns, 60, "a worker at work")
            fleet.write(log[kill * part : (kill + 1) * part])
            worker.kill()
        last = fleet.start()
        fleet.settle(120)
        counters = {
            ("orders_total", "created"): expected.orders,
            ("orders_total", "paid"): expected.paid,
            ("reminders_total", "due"): expected.fired,
        }
        wait_until(
            lambda: {key: last.metric(key[0], state=key[1]) for key in counters} == counters,
            30,
            f"{counters}",
        )
        last.send(signal.SIGTERM)
        assert last.wait(20) == 0
        facts, revisions = fleet.facts(), fleet.revisions()
        assert facts == fleet.replayed()[0]
        assert len(set(revisions)) == len(revisions), "a revision was published twice"
    found = [fact for fact in facts.values() if fact["kind"] in ("order", "reminder")]
    paid = {fact["order"]: fact["paid"] is not None for fact in found if fact["kind"] == "order"}
    asked = [fact["order"] for fact in found if fact["kind"] == "reminder" and fact["asked"]]
    assert Figures(len(paid), sum(paid.values()), len(asked), sum(paid[order] for order in asked)) == expected


@pytest.mark.slow
def test_orders_are_counted_and_their_timers_fire_as_often_whatever_dies(broker: str, tmp_path: Path) -> None:
    log, expected = invented(4_000, 5)
    assert_counted(broker, tmp_path, log, expected, kills=3)


@pytest.mark.slow
def test_a_published_month_of_orders_has_the_published_figures(broker: str, tmp_path: Path) -> None:
    log = published(tmp_path / "log.jsonl").read_bytes().splitlines()
    assert_counted(broker, tmp_path, log, PUBLISHED, kills=1)
    assert f"{PUBLISHED.paid / PUBLISHED.orders:.2%}" == "85.99%"
