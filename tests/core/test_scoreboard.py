"""Which fact counts on which row: the figures that people are paid and judged by (SPEC 5, columns of SPEC 10)."""

import statistics
from fractions import Fraction
from random import Random

import pytest

from csstream.core.audit import Auditor
from csstream.core.crew import Crew
from csstream.core.facts import AnyFact
from csstream.core.scoreboard import Scoreboard
from csstream.core.scores import COUNTS, Scores, mean_s, percentile_s
from csstream.policy import Policy
from tests.core.look import chosen, told
from tests.laws.notation import at, chat
from tests.laws.views import read

# ---- long waits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "answered", "responses", "excluded"),
    [
        ("exclude over 1800s", "10:30:00", [1_800_000], 0),
        ("exclude over 1800s", "10:30:00.001", [], 1),
        ("cap 600s", "10:10:00", [600_000], 0),
        ("cap 600s", "10:10:00.001", [600_000], 0),
        ("none", "14:00:00", [14_400_000], 0),
    ],
)
def test_a_long_wait_is_left_out_or_capped_as_the_policy_says(
    limit: str, answered: str, responses: list[int], excluded: int
) -> None:
    setting = {"exclude over 1800s": "handbook", "cap 600s": "tmall", "none": "jd"}[limit]
    seen = told("10:00:00 c>A", f"{answered} A human", policy=setting)
    for row in (seen.shop(), seen.agent("A")):
        assert (row["responses_ms"], row["excluded_long"]) == (responses, excluded)
        assert (row["first_responses_ms"], row["first_excluded_long"]) == (responses, excluded)
        assert row["receptions"] == (
            row["receptions_unanswered"] + row["first_responses"] + row["first_excluded_long"]
        )
        assert (row["waits"], row["within_30"]) == (1, 0)


# ---- hours ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "counts"), [("07:59:59.999", 0), ("08:00:00", 1), ("22:59:59.999", 1), ("23:00:00", 0)]
)
def test_only_what_begins_in_the_hours_is_timed(asked: str, counts: int) -> None:
    seen = told(f"{asked} c>A", "+1 00:00:05 A human", policy="tmall")
    for row in (seen.shop(), seen.agent("A")):
        assert (row["waits"], row["receptions"], row["consulted"]) == (counts, counts, 1)
    responses = [600_000] if counts else []
    days = 1
    assert ([] if not seen.has_row("A", days) else seen.agent("A", days)["responses_ms"]) == responses


def test_a_transfer_and_a_loss_at_night_still_count() -> None:
    seen = told("02:00:00 c>A", ":10 transfer A>B", ":20 session close customer", policy="tmall")
    assert (seen.shop()["transferred_unanswered"], seen.shop()["abandoned"], seen.shop()["waits"]) == (
        1,
        1,
        0,
    )
    assert seen.agent("A")["transferred_unanswered"] == 1


def test_a_leg_that_begins_in_the_hours_counts_for_its_agent_alone() -> None:
    seen = told("07:59:50 c>A", "08:00:10 transfer A>B", ":20 B human", policy="tmall")
    assert (seen.shop()["responses"], seen.shop()["waits"]) == (0, 0)
    assert (seen.agent("A")["waits"], seen.agent("B")["waits"]) == (0, 1)
    assert seen.agent("B")["responses_ms"] == [10_000]


# ---- which day ------------------------------------------------------------------------------------------------


def test_a_response_is_of_the_day_of_its_reply_and_the_wait_of_its_start() -> None:
    seen = told("23:59:50 c>A", "+1 00:00:10 A human")
    for day, waits, within, responses in ((0, 1, 1, []), (1, 0, 0, [20_000])):
        for row in (seen.shop(day), seen.agent("A", day)):
            assert (row["waits"], row["within_30"], row["responses_ms"]) == (waits, within, responses)
    assert (seen.shop()["receptions"], seen.shop(1)["receptions"]) == (1, 0)
    assert seen.shop()["first_responses_ms"] == [20_000]


def test_what_goes_wrong_counts_on_the_day_it_ends() -> None:
    left = told("23:50:00 c>A", "+1 00:10:00 session close customer")
    assert (left.shop()["abandoned"], left.shop(1)["abandoned"]) == (0, 1)
    handed = told("23:50:00 c>A", "+1 00:10:00 transfer A>B")
    assert (handed.agent("A")["transferred_unanswered"], handed.agent("A", 1)["transferred_unanswered"]) == (
        0,
        1,
    )
    assert (handed.shop()["transferred_unanswered"], handed.shop(1)["transferred_unanswered"]) == (0, 1)
    gone = told("10:00:00 c>A", clock="+3 00:00:00 - system @clock")
    assert (gone.shop()["expired"], gone.shop(2)["expired"]) == (0, 1)
    robot = told("23:59:59 c>-", "+1 00:00:01 - bot")
    assert robot.shop(1)["bot"] == 1


# ---- extra legs -----------------------------------------------------------------------------------------------


def test_an_extra_leg_of_someone_new_is_a_wait_of_the_replys_day() -> None:
    seen = told("23:59:50 c>A", "+1 00:00:10 B human")
    assert not seen.has_row("B", 0)
    row = seen.agent("B", 1)
    assert (row["waits"], row["within_30"], row["responses_ms"]) == (1, 1, [20_000])
    assert (row["receptions"], row["first_responses_ms"], row["consulted"]) == (1, [20_000], 1)
    assert seen.agent("A")["waits"] == 1


def test_an_extra_leg_of_someone_who_had_one_is_no_second_wait() -> None:
    seen = told("10:00:00 c>A", ":10 transfer A>B", ":20 A human")
    assert seen.legs() == [
        ("A", 10, "transferred_unanswered"),
        ("B", 10, "answered_by_other"),
        ("A", 20, "answered"),
    ]
    row = seen.agent("A")
    assert (row["waits"], row["within_30"], row["responses_ms"]) == (1, 0, [20_000])
    row = seen.agent("B")
    assert (row["waits"], row["within_30"], row["responses"]) == (1, 0, 0)


def test_an_extra_leg_starts_at_the_latest_leg_of_its_agent() -> None:
    seen = told(
        "10:00:00 c>A", ":10 transfer A>B", ":30 transfer B>A", ":45 transfer A>B", "10:01:00 A human"
    )
    assert seen.legs()[-1] == ("A", 30, "answered")


def test_an_extra_leg_that_goes_on_from_the_day_before_responds_today() -> None:
    seen = told("23:59:30 c>A", ":40 transfer A>B", "+1 00:00:10 A human")
    assert (seen.agent("A")["waits"], seen.agent("A")["responses"]) == (1, 0)
    assert (seen.agent("A", 1)["waits"], seen.agent("A", 1)["responses_ms"]) == (0, [40_000])


def test_without_routing_who_answers_is_charged_from_the_first_message() -> None:
    seen = told("10:00:00 c", ":20 A human")
    assert seen.legs() == [(None, 20, "answered_by_other"), ("A", 20, "answered")]
    assert (seen.agent("A")["waits"], seen.agent("A")["within_30"]) == (1, 1)


def test_a_reply_from_no_account_is_the_shops_alone() -> None:
    seen = told("10:00:00 c>A", ":20 - bot", policy="kuaishou")
    assert seen.shop()["responses_ms"] == [20_000]
    assert seen.agent("A")["responses"] == 0


# ---- receptions, within, consults -----------------------------------------------------------------------------


def test_within_30_holds_exactly_thirty_seconds_for_agents_by_their_own_clock() -> None:
    seen = told("10:00:00 c>A", ":10 transfer A>B", ":40.000 B human")
    assert (seen.shop()["within_30"], seen.agent("B")["within_30"]) == (0, 1)
    assert told("10:00:00 c>A", ":10 transfer A>B", ":40.001 B human").agent("B")["within_30"] == 0


def test_who_opens_the_contact_has_no_reception_and_the_shop_has() -> None:
    seen = told("10:00:00 A human", ":30 c>A", ":40 A human")
    assert (seen.agent("A")["receptions"], seen.shop()["receptions"]) == (0, 1)
    assert seen.agent("A")["responses_ms"] == [10_000]
    greeted = told("10:00:00 A auto", ":30 c>A", ":40 A human")
    assert greeted.agent("A")["receptions"] == 1


def test_a_second_agent_who_opened_nothing_has_his_reception() -> None:
    seen = told("10:00:00 A human", ":30 c>B", ":40 B human", ":50 A human")
    assert (seen.agent("B")["receptions"], seen.agent("B")["first_responses_ms"]) == (1, [10_000])


def test_a_reception_unanswered_is_counted_as_such() -> None:
    seen = told("10:00:00 c>A", ":10 transfer A>B", ":20 B human")
    assert (seen.agent("A")["receptions"], seen.agent("A")["receptions_unanswered"]) == (1, 1)
    assert (seen.agent("B")["receptions"], seen.agent("B")["receptions_unanswered"]) == (1, 0)


def test_a_reply_before_the_first_message_of_the_day_is_no_reply_to_it() -> None:
    seen = told("09:00:00 A human", ":10 c>A")
    assert (seen.consult(), seen.consult("A")) == ((False, False), (False, False))


def test_a_bot_counts_in_the_reply_rate_where_the_policy_says_so() -> None:
    lines = ("10:00:00 c>A", ":05 - bot")
    assert told(*lines).consult() == (True, False)
    assert told(*lines, policy="jd").consult() == (False, False)
    assert told(*lines).consult("A") == (False, False)


def test_an_agent_who_got_a_customer_by_transfer_has_consulted_him() -> None:
    seen = told("10:00:00 c>A", ":10 transfer A>B", "10:05:00 B human")
    assert (seen.consult("A"), seen.consult("B"), seen.consult()) == (
        (False, False),
        (True, True),
        (True, True),
    )
    assert [seen.agent(x)["consulted"] for x in "AB"] == [1, 1]


def test_customers_are_counted_once_a_day() -> None:
    seen = told("10:00:00 c>A", ":10 A human", "15:00:00 c>A", ":10 A human", "16:00:00 c>A @d")
    row = seen.shop()
    assert (row["consulted"], row["replied_any"], row["replied_strict"], row["receptions"]) == (2, 1, 1, 3)


# ---- sums, and taking back -------------------------------------------------------------------------------------

LOG = (
    "10:00:00 c>A #m1",
    ":10 transfer A>B",
    ":40 A human",
    "10:01:00 c>B | 谢谢",
    "11:00:00 c>-",
    ":02 - bot",
    "12:00:00 c>A",
    "12:40:00 B human",
    "13:00:00 c>A",
    ":30 session close customer",
    "23:59:00 c>B",
    "+1 00:01:00 B human",
    "+1 09:00:00 c @d #m2",
    "+1 09:01:00 spam m2 @d",
)


def facts_of(policy: Policy) -> list[AnyFact]:
    """The facts of LOG."""
    auditor = Auditor(policy)
    found: list[AnyFact] = []
    events = read(chat(*LOG))
    for customer in ("c", "d"):
        own = [event for event in events if event.customer == customer]
        found += auditor.story("s", customer, own, at("12:00:00", 1), Crew(auditor.calendar)).facts.all()
    return found


@pytest.mark.parametrize("policy", ["handbook", "tmall", "jd"])
def test_the_figures_do_not_depend_on_the_order_of_the_facts(policy: str) -> None:
    rows = []
    for seed in range(5):
        facts = facts_of(chosen(policy))
        Random(seed).shuffle(facts)
        board = board_for(chosen(policy))
        for fact in facts:
            board.learn(fact)
        rows.append({key: plain(scores) for key, scores in board.rows.items()})
    assert all(row == rows[0] for row in rows)


@pytest.mark.parametrize("policy", ["handbook", "tmall", "jd"])
def test_a_fact_taken_back_leaves_nothing_behind(policy: str) -> None:
    board = board_for(chosen(policy))
    facts = facts_of(chosen(policy))
    for fact in facts:
        board.learn(fact)
    assert any(scores.void for scores in board.rows.values())
    assert any(not scores.empty() for scores in board.rows.values())
    for fact in reversed(facts):
        board.learn(fact, -1)
    assert all(scores.empty() for scores in board.rows.values())


def board_for(policy: Policy) -> Scoreboard:
    """An empty scoreboard under a policy."""
    return Scoreboard(policy, Auditor(policy).calendar)


def plain(scores: Scores) -> list[object]:
    """A row that compares whatever the order of its samples."""
    return [
        *(getattr(scores, name) for name in COUNTS),
        sorted(scores.responses),
        sorted(scores.first_responses),
    ]


def test_every_row_adds_up() -> None:
    board = board_for(chosen())
    for fact in facts_of(chosen()):
        board.learn(fact)
    for scores in board.rows.values():
        assert scores.receptions == (
            scores.receptions_unanswered + len(scores.first_responses) + scores.first_excluded_long
        )
        assert 0 <= scores.within_30 <= scores.waits
        assert scores.replied_strict <= scores.consulted
        assert scores.replied_any <= scores.consulted


# ---- means and percentiles --------------------------------------------------------------------------------------


def exact_percentile(ordered: list[int], percent: int) -> Fraction:
    """Linear interpolation by the definition, in seconds."""
    place = Fraction((len(ordered) - 1) * percent, 100)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return (ordered[low] + (ordered[high] - ordered[low]) * (place - low)) / 1000


def test_percentiles_are_exact() -> None:
    random = Random(7)
    for size in [*range(1, 40), 100, 101, 999]:
        ordered = sorted(
            random.choice((0, 1, 333, 29_999, 30_001, 172_800_000)) + random.randrange(9) for _ in range(size)
        )
        for percent in (50, 90, 95):
            assert percentile_s(ordered, percent) == float(exact_percentile(ordered, percent))


def test_percentiles_are_those_of_the_statistics_books() -> None:
    ordered = sorted(Random(3).sample(range(10**6), 57))
    cuts = statistics.quantiles(ordered, n=100, method="inclusive")
    for percent in (50, 90, 95):
        assert percentile_s(ordered, percent) == pytest.approx(cuts[percent - 1] / 1000, rel=1e-12)
    assert percentile_s(ordered, 50) == statistics.median(ordered) / 1000


def test_means_are_correctly_rounded() -> None:
    assert mean_s(15_000, 2) == 7.5
    assert mean_s(10_000, 3) == float(Fraction(10, 3))
    assert mean_s(0, 5) == 0.0
    random = Random(5)
    for _ in range(200):
        total, number = random.randrange(10**12), random.randrange(1, 10**5)
        assert mean_s(total, number) == float(Fraction(total, 1000 * number))


def test_without_a_sample_there_is_no_figure() -> None:
    assert percentile_s([], 50) is None
    assert mean_s(0, 0) is None
