"""Files in, files out: every cell must be what an auditor with the contract in hand gets."""

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.policy import Policy, load, with_settings
from csstream.replay.tables import AGENT_COLUMNS, SHOP_COLUMNS, Ordered, Spread
from tests.laws.logs import MIXED, logs_with_copies
from tests.laws.notation import at, chat
from tests.laws.oracle import audit
from tests.laws.order_oracle import provisional
from tests.laws.test_agreement import POLICIES as JUDGED
from tests.laws.views import newest, ordered, read
from tests.replay.files import (
    AGENT_COUNTED,
    HANDBOOK,
    SHOP_COUNTED,
    expected_cells,
    lines,
    percentile,
    read_back,
    replayed,
    table,
    written,
)

NASTY = ("c1", "c1|", "c1|1", "c1|1763738400000", "c", "c|c1", "|", 'C,"1"\n', "客", "c1 ")
POLICIES = {
    "handbook": HANDBOOK,
    "tmall": load("tmall"),
    "jd": load("jd"),
    "quick": JUDGED["quick"],
    "open end": with_settings(HANDBOOK, ["wait_ttl=none", "long_wait=none", "session_gap=30s"]),
}


def nasty(log: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """The log with customers and shops whose names begin with each other, and more of each."""
    draw = random.Random(seed)
    names = draw.sample(NASTY, 3)
    shops = draw.choice((("s0", "s1"), ("s", "s|c1"), ("=1+1", "-s")))
    customers = dict(zip(("c1", "c2", "c3"), names, strict=True))
    return [
        e
        | {"shop": shops[int(e["shop"][1:])]}
        | ({"customer": customers[e["customer"]]} if "customer" in e else {})
        for e in log
    ]


def assert_as_the_oracle(out: Path, log: list[dict[str, Any]], policy: Policy) -> None:
    expected = ordered(audit(log, policy))
    clocks = newest(read(log), policy)
    found = read_back(out)
    for name in (
        "waits", "receptions", "consults", "orders", "reminders", "alerts", "duplicates", "conflicts",
    ):  # fmt: skip
        assert getattr(found, name) == getattr(expected, name), name
    agents = {(r["shop"], r["day"], r["agent"]): r for r in table(out / "agents.csv")}
    shops = {(r["shop"], r["day"]): r for r in table(out / "shops.csv")}
    assert list(agents) == sorted(expected.agents)
    assert list(shops) == sorted(expected.shops)
    for key, row in expected.agents.items():
        assert_cells(agents[key], expected_cells(row, AGENT_COUNTED))
    for shop_key, row in expected.shops.items():
        cells = expected_cells(row, SHOP_COUNTED)
        cells["provisional"] = str(int(provisional(shop_key[1], clocks[shop_key[0]], policy)))
        assert_cells(shops[shop_key], cells)


def assert_cells(found: dict[str, str], expected: dict[str, str]) -> None:
    assert {name: found[name] for name in expected} == expected
    rest = {name: cell for name, cell in found.items() if name not in expected}
    assert {name: cell for name, cell in rest.items() if cell} == {
        name: found[name] for name in ("shop", "day", "agent") if name in found
    }, "what was not computed is empty, not 0"


@given(
    log=logs_with_copies(max_size=30, shops=2, kinds=MIXED),
    policy=st.sampled_from(sorted(POLICIES)),
    seed=st.integers(0, 99),
    sizes=st.tuples(st.sampled_from((1, 300, 2_000)), st.sampled_from((1, 500, 5_000))),
)
@settings(max_examples=150, deadline=None)
def test_every_cell_of_every_file_is_what_an_auditor_gets(
    log: list[dict[str, Any]], policy: str, seed: int, sizes: tuple[int, int]
) -> None:
    log = nasty(log, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = written(log, Path(folder, "log.jsonl"))
        out = Path(folder, "out")
        replayed(out, path, policy=POLICIES[policy], block_bytes=sizes[0], range_bytes=sizes[1])
        assert_as_the_oracle(out, log, POLICIES[policy])
        assert_sorted(out)


def assert_sorted(out: Path) -> None:
    facts = [(fact["kind"], fact["fact"]) for fact in lines(out / "facts.jsonl")]
    assert facts == sorted(facts)
    alerts = [(alert["ts"], alert["alert"]) for alert in lines(out / "alerts.jsonl")]
    assert alerts == sorted(alerts)


def test_columns_are_those_that_scripts_rely_on(tmp_path: Path) -> None:
    replayed(tmp_path / "out", written(chat("10:00:00 c>A", ":30 A human"), tmp_path / "log"))
    agents, shops = (
        (tmp_path / "out" / name).read_text().split("\n") for name in ("agents.csv", "shops.csv")
    )
    assert agents[0] == (
        "shop,day,agent,consulted,replied_any,replied_strict,receptions,receptions_unanswered,waits,within_30,"
        "responses,response_sum_ms,response_mean_s,response_p50_s,response_p90_s,response_p95_s,response_max_s,"
        "excluded_long,first_responses,first_response_sum_ms,first_response_mean_s,first_excluded_long,"
        "transferred_unanswered,orders_owned,turnover_fen,refunds_fen,unpaid_open,reminders_due,reminders_missed"
    )
    assert shops[0] == agents[0].replace(",agent", "") + (
        ",abandoned,expired,void,bot,inquirers,ordered_same_day,ordered_final,orderers,payers,silent_orders,"
        "buyers,buyers_served,buyers_silent,turnover_served_fen,provisional"
    )
    assert agents[1] == (
        "s,2026-11-21,A,1,1,1,1,0,1,1,1,30000,30.0,30.0,30.0,30.0,30.0,0,1,30000,30.0,0,0,0,0,0,0,0,0"
    )
    assert ",".join(AGENT_COLUMNS) == agents[0]
    assert ",".join(SHOP_COLUMNS) == shops[0]


def test_the_newest_record_does_not_move_the_clock_if_it_is_a_copy_that_does_not_stand(
    tmp_path: Path,
) -> None:
    log = chat("10:00:00 c>A #m1", "10:00:20 c>A @d #m2", "10:05:00 c>A @d #m2")
    replayed(tmp_path / "out", written(log, tmp_path / "log"))
    assert_as_the_oracle(tmp_path / "out", log, HANDBOOK)
    assert [alert["ts"] for alert in lines(tmp_path / "out" / "alerts.jsonl")] == [at("10:00:15")]


def test_presence_alone_moves_the_clock_and_its_copies_are_counted(tmp_path: Path) -> None:
    log = chat("10:00:00 c>A", "10:00:16 presence A online", "10:00:16 presence A online #e002")
    replayed(tmp_path / "out", written(log, tmp_path / "log"))
    alerts = lines(tmp_path / "out" / "alerts.jsonl")
    assert [(alert["value"], alert["state"]) for alert in alerts] == [({"over_s": 15}, "firing")]
    assert read_back(tmp_path / "out").duplicates == 1


def test_an_alert_names_the_group_of_the_latest_profile_known_and_valid_then(tmp_path: Path) -> None:
    def profile(number: int, ts: int, group: str, valid_from: int | None = None) -> dict[str, Any]:
        found = {"id": f"p{number}", "type": "profile", "ts": ts, "shop": "s", "agent": "A", "group": group}
        return found if valid_from is None else found | {"valid_from": valid_from}

    log = [
        profile(1, at("09:00:00"), "first"),
        profile(2, at("10:00:20"), "known too late", at("10:00:10")),
        profile(3, at("09:30:00"), "valid later", at("11:00:00")),
        *chat(
            "10:00:00 c>A",
            "10:00:50 A human",
            "10:01:00 c>A",
            "10:01:20 A human",
            "11:00:00 c>A",
            ":16 A human",
        ),
    ]
    replayed(tmp_path / "out", written(log, tmp_path / "log"))
    assert [alert["group"] for alert in lines(tmp_path / "out" / "alerts.jsonl")] == [
        *("first", "known too late", "known too late", "valid later"),
    ]


def test_a_range_of_time_reads_from_its_start_up_to_but_not_its_end(tmp_path: Path) -> None:
    log = chat("09:59:59.999 c", "10:00:00 c @d", "10:59:59.999 A human @d", "11:00:00 c @d")
    summary = replayed(
        tmp_path / "out", written(log, tmp_path / "log"), from_ms=at("10:00:00"), to_ms=at("11:00:00")
    )
    assert (summary.counts["accepted"], summary.counts["out_of_range"]) == (2, 2)
    assert list(read_back(tmp_path / "out").waits) == [f"s|d|{at('10:00:00')}|e002"]


def test_policies_side_by_side_give_what_each_gives_alone(tmp_path: Path) -> None:
    log = written(chat("10:00:00 c>A", "10:31:00 A human", "10:40:00 c>A", ":31 A human"), tmp_path / "log")
    policies = (HANDBOOK, load("tmall"), HANDBOOK)
    summary = replayed(tmp_path / "out", log, policies=policies)
    folders = ["handbook", "tmall", "handbook-2"]
    assert [folder.name for folder in summary.folders] == folders
    for name, policy in zip(folders, policies, strict=True):
        replayed(tmp_path / f"alone-{name}", log, policy=policy)
        for file in ("facts.jsonl", "alerts.jsonl", "agents.csv", "shops.csv", "dead_letters.jsonl"):
            together, alone = tmp_path / "out" / name / file, tmp_path / f"alone-{name}" / file
            assert together.read_bytes() == alone.read_bytes()
    rows = table(tmp_path / "out" / "what-if.csv")
    assert [
        (row["policy"], row["responses"], row["excluded_long"], row["response_mean_s"]) for row in rows
    ] == [
        ("handbook@1 (handbook)", "1", "1", "31.0"),
        ("tmall@1", "2", "0", "315.5"),
        ("handbook@1 (handbook-2)", "1", "1", "31.0"),
    ]


@given(st.lists(st.integers(0, 300), min_size=1), st.sampled_from((1, 50, 90, 95, 100)))
def test_samples_in_bounded_memory_have_the_same_percentiles_while_they_are_few(
    samples: list[int], percent: int
) -> None:
    spread = Spread()
    spread.add(samples)
    found: Ordered = spread.ordered()
    assert [found[at] for at in range(len(found))] == sorted(samples)
    assert percentile([found[at] for at in range(len(found))], percent) == percentile(
        sorted(samples), percent
    )


def test_too_many_distinct_samples_become_coarser_whatever_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("csstream.replay.tables.DISTINCT", 100)
    samples = [(n * n) % 90_001 for n in range(5_000)]
    found = []
    for some in (samples, samples[::-1]):
        spread = Spread()
        spread.add(some)
        ordered_samples = spread.ordered()
        found.append([ordered_samples[at] for at in range(len(ordered_samples))])
    assert found[0] == found[1]
    assert all(0 <= true - kept < 1_000 for true, kept in zip(sorted(samples), found[0], strict=True))
