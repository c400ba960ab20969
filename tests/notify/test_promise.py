"""The promise, on random days: nothing is lost, and nothing is doubled but by a crash in the one bad moment.

A day is a list of things that happen: alerts fire, end, are taken back and come again, the sink refuses or its answer
is not heard, and the notifier dies between any two of its effects. What the sink took is then held against what was
published, by rules that share no code with the outbox.
"""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.core.alert import Alert
from csstream.notify.message import Message
from csstream.notify.target import Rate, Target
from tests.notify.days import NO, PERHAPS, YES, Day, T, alert, ended, level, retracted, to

LEVELS = (15, 30, 100, 180)
ANSWERS = {"yes": YES, "no": NO, "unheard": PERHAPS, "lost": PERHAPS}
TAKEN = {"yes", "unheard"}
"""`unheard`: the sink took it, and its answer did not come through; `lost`: nothing came through."""


class Trial(Day):
    """A day with one sink that keeps books, and a notifier that dies where it is told to."""

    def __init__(self, target: Target) -> None:
        self.published: list[Alert] = []
        self.taken: list[tuple[int, Message]] = []
        self.bad_moments = 0
        self.dies_when: str | None = None
        self.script: list[str] = []
        super().__init__([target])

    def take(self, alerts: Iterable[Alert]) -> None:
        """Take in alerts, and remember them: they can be read again."""
        taken = list(alerts)
        self.published += taken
        super().take(taken)

    def died(self, when: str) -> bool:
        """Whether the notifier dies here. What was not kept is gone, and is read again from the topic."""
        if self.dies_when != when:
            return False
        self.dies_when = None
        self.open()
        read = self.outbox.reads.get("cs.alerts/0")
        self.position = 0 if read is None else read.next
        super().take(self.published[self.position :])
        return True

    def turn(self) -> None:
        """As `Day`, with deaths."""
        while True:
            self.outbox.advance(self.now)
            if self.died("composed"):
                continue
            self.keep()
            ready = self.outbox.to_send()
            if not ready:
                return
            if self.died("kept"):
                continue
            ((sink, message),) = ready
            said = self.script.pop(0) if self.script else "yes"
            if said in TAKEN:
                self.taken.append((self.now, message))
            if self.died("sent"):
                self.bad_moments += said in TAKEN
                continue
            self.bad_moments += said == "unheard"
            self.outbox.answered(sink, ANSWERS[said], self.now)
            self.keep()

    def told(self, kind: str) -> dict[str, list[Message]]:  # type: ignore[override]
        """By alert, the messages about it alone."""
        found: dict[str, list[Message]] = {}
        for _, message in self.taken:
            if message.kind == kind:
                found.setdefault(message.alerts[0].alert, []).append(message)
        return found


Plan = list[tuple[float, str, int]]

plans: st.SearchStrategy[Plan] = st.lists(
    st.tuples(
        st.sampled_from((0.0, 0.1, 0.5, 1.1, 3.0, 20.0)),
        st.sampled_from(
            ("wait", "wait", "level", "level", "end", "end", "take back", "again", "overload", "composed", "kept",
             "sent", "sent", "yes", "no", "unheard", "lost")
        ),
        st.integers(0, 5),
    ),
    max_size=60,
)  # fmt: skip


def live(day: Trial, plan: Plan) -> tuple[dict[str, Alert], set[str]]:
    """Let it all happen. The last record of each id, and those that fired last when they were stale already."""
    last: dict[str, Alert] = {}
    stale: set[str] = set()
    at = 0.0
    for pause, what, number in plan:
        at += pause
        mine = [one for one in last.values() if one.alert.startswith(f"wait|w{number}|")]
        standing = [one for one in mine if one.state == "firing"]
        come: list[Alert] = []
        if what == "wait" and not mine:
            come = [level(f"w{number}", LEVELS[0], at - LEVELS[0])]
        elif what == "level" and standing and len(mine) < len(LEVELS):
            over = LEVELS[len(mine)]
            come = [level(f"w{number}", over, at - over)]
        elif what == "end":
            come = [ended(one, at) for one in standing]
        elif what == "take back":
            come = [retracted(one) for one in standing]
        elif what == "again" and not standing:
            come = [day.published[[p.alert for p in day.published].index(one.alert)] for one in mine]
            stale -= {one.alert for one in come}
            stale |= {one.alert for one in come if T + at * 1000 - one.ts > 120_000}
        elif what == "overload":
            come = [alert(f"overload|s|a{number}|{at}", at)]
        elif what in {"composed", "kept", "sent"}:
            day.dies_when = what
        elif what in ANSWERS:
            day.script.append(what)
        last |= {one.alert: one for one in come}
        day.at(at, *come)
    day.dies_when = None
    day.script.clear()
    day.until(at + 700)  # longer than any pause
    return last, stale


@settings(max_examples=300, deadline=None)
@given(plan=plans)
def test_nothing_is_lost_and_nothing_is_doubled_but_in_the_one_bad_moment(plan: Plan) -> None:
    day = Trial(to("ops")[0])
    last, stale = live(day, plan)
    firing, over = day.told("firing"), day.told("ended")
    for name, one in last.items():
        if one.state != "firing" or name in firing:
            continue
        higher = [
            other
            for other in last.values()
            if other.alert.rpartition("|")[0] == name.rpartition("|")[0]
            and other.value.get("over_s", 0) > one.value.get("over_s", 0)
            and other.state == "firing"
        ]
        summaries = [message for _, message in day.taken if message.kind == "summary"]
        assert higher or (name in stale and summaries), f"{name} was lost"
    for told in (firing, over):
        assert sum(len(messages) - 1 for messages in told.values()) <= day.bad_moments
        for messages in told.values():
            assert len({message.id for message in messages}) == 1
            assert all(message.repeat for message in messages[1:])
    assert all(last[name].state != "firing" or name in {p.alert for p in day.published if p.state != "firing"}
               for name in over)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(plan=plans)
def test_an_end_is_told_only_of_what_was_told_to_fire(plan: Plan) -> None:
    day = Trial(to("ops")[0])
    live(day, [step for step in plan if step[1] not in {"lost", "composed", "kept", "sent"}])
    assert set(day.told("ended")) <= set(day.told("firing"))


@settings(max_examples=100, deadline=None)
@given(plan=plans)
def test_no_minute_has_more_messages_than_a_robot_may_send_whoever_dies(plan: Plan) -> None:
    day = Trial(to("ops", rate=Rate.of(20))[0])
    live(day, plan)
    for begin, _ in day.taken:
        assert sum(begin <= at <= begin + 60_000 for at, _ in day.taken) <= 20


def test_the_same_day_gives_the_same_messages_and_rows() -> None:
    plan: Plan = (
        [(0.5, "wait", n % 6) for n in range(12)] + [(3.0, "end", n) for n in range(6)] + [(1.1, "no", 0)]
    )
    one, other = Trial(to("ops")[0]), Trial(to("ops")[0])
    live(one, plan)
    live(other, plan)
    assert one.taken == other.taken
    assert len(one.taken) == 12
    assert one.rows == other.rows
