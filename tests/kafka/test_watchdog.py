"""What ends a process that does not work: never one that was frozen, waits for its broker, or has nothing to do."""

import signal
import threading
import time
from pathlib import Path

import pytest

from csstream.kafka.watchdog import EXIT_STATUS, LOOKS, Sight, Watch, Watchdog
from tests.kafka.fleet import Fleet, wait_until
from tests.kafka.test_worker import assert_equals_replay, shop_log


def parts(watch: Watch, *sights: Sight) -> list[float]:
    """How much of what is allowed has passed, look by look."""
    return [0.0 if (found := watch.look([sight])) is None else found[1] for sight in sights]


def test_only_what_has_something_to_do_and_does_not_move_on_is_stuck() -> None:
    watch = Watch(4)
    stuck = Sight("work", 7, True)
    assert parts(watch, stuck, stuck, stuck) == [0, 0.25, 0.5]
    assert parts(watch, Sight("work", 8, True), Sight("work", 8, True)) == [0, 0.25]
    assert parts(watch, Sight("work", 8, False), Sight("work", 8, True)) == [0, 0.25]


def test_what_is_stuck_for_longest_is_named() -> None:
    watch = Watch(4)
    watch.look([Sight("a", 1, True), Sight("b", 1, True)])
    watch.look([Sight("a", 1, True), Sight("b", 2, True)])
    found = watch.look([Sight("a", 1, True), Sight("b", 2, True)])
    assert found is not None
    assert (found[0].what, found[1]) == ("a", 0.5)


def test_a_partition_that_was_taken_away_is_forgotten() -> None:
    watch = Watch(4)
    for _ in range(3):
        watch.look([Sight("a", 1, True)])
    assert watch.look([]) is None
    assert watch.look([Sight("a", 1, True)]) is None


def ended(sight: Sight, *, answers: bool) -> tuple[list[int], list[str | None], int]:
    """Exit statuses, warnings and looks of a watchdog that always sees this, for three times as many looks."""
    statuses: list[int] = []
    warnings: list[str | None] = []
    done = threading.Event()
    looks = 0

    def see() -> list[Sight]:
        nonlocal looks
        looks += 1
        if looks > 3 * LOOKS:
            dog.stop()
            done.set()
        return [sight]

    def end(status: int) -> None:
        statuses.append(status)
        done.set()

    dog = Watchdog(0.2, see, lambda: answers, warnings.append, end)
    dog.start()
    assert done.wait(20)
    return statuses, warnings, looks


def test_a_process_that_is_stuck_says_so_and_ends() -> None:
    statuses, warnings, looks = ended(Sight("the work on partition 3", 1, True), answers=False)
    assert statuses == [EXIT_STATUS]
    assert warnings[-1] == "the work on partition 3 does not move on"
    assert looks == LOOKS + 1


def test_a_broker_that_is_away_is_waited_for() -> None:
    statuses, _, looks = ended(Sight("fetching", 1, True, excused=True), answers=False)
    assert statuses == []
    assert looks > 3 * LOOKS


def test_a_broker_that_answers_excuses_nothing() -> None:
    assert ended(Sight("fetching", 1, True, excused=True), answers=True)[0] == [EXIT_STATUS]


def test_a_look_that_fails_ends_no_watch(caplog: pytest.LogCaptureFixture) -> None:
    """One is made up for; who cannot look at all does not watch, and the process ends for that."""
    statuses: list[int] = []
    ended, looks = threading.Event(), iter(range(1_000))

    def see() -> list[Sight]:
        if next(looks) == 3:
            raise KeyError("torn")
        return [Sight("the work on partition 3", 1, True)]

    def answers() -> bool:
        raise AssertionError("nothing here asks the broker")

    def end(status: int) -> None:
        statuses.append(status)
        ended.set()

    Watchdog(0.2, see, answers, lambda _: None, end).start()
    assert ended.wait(20)
    assert statuses == [EXIT_STATUS]
    assert next(looks) == LOOKS + 2
    assert "KeyError: 'torn'" in caplog.text
    ended.clear()
    Watchdog(0.2, answers, answers, lambda _: None, end).start()  # type: ignore[arg-type]
    assert ended.wait(20)
    assert statuses == [EXIT_STATUS, EXIT_STATUS]
    assert "the watchdog has not moved on for too long" in caplog.text


@pytest.mark.slow
def test_a_worker_whose_event_loop_hangs_ends_itself_and_another_one_goes_on(
    broker: str, tmp_path: Path
) -> None:
    log = shop_log(600)
    with Fleet(broker, tmp_path) as fleet:
        worker = fleet.start("--watchdog-after", "5s", hangs=True)
        fleet.write(log[:400])
        fleet.settle()
        worker.send(signal.SIGUSR1)
        began_s = time.monotonic()
        wait_until(lambda: worker.get("/livez")[0] == 503, 20, "a warning before the end")
        assert worker.wait(20) == EXIT_STATUS
        assert 4 < time.monotonic() - began_s < 20
        assert "the event loop has not moved on for too long" in worker.log()
        fleet.write(log[400:])
        fleet.start()
        fleet.settle()
        assert_equals_replay(fleet)
