"""Two audits compared, and a fact traced to its messages: what an auditor shows to the person it is about."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from csstream.cli import cli
from csstream.policy import load, with_settings
from csstream.replay.diff import DEPENDS, Difference, compare
from csstream.replay.explain import explain
from csstream.replay.job import ReplayError
from csstream.replay.outputs import Output
from csstream.simulate import Plan, lines
from tests.canary import TEXT
from tests.replay.files import replayed, written

T = 1_763_690_400_000
"""21 November 2025, 10:00 in Shanghai."""

ASKED = {
    "id": "q",
    "type": "message",
    "ts": T,
    "shop": "s",
    "customer": "c",
    "agent": "A",
    "sender": "customer",
    "text": TEXT,
}
BOT = {**ASKED, "id": "b", "ts": T + 5_000, "sender": "bot", "text": TEXT}
REPLY = {**ASKED, "id": "r", "ts": T + 40_000, "sender": "human", "text": f"在的 {TEXT}"}
OTHER = {**ASKED, "id": "o", "customer": "d"}
END = {**ASKED, "id": "e", "customer": "e", "ts": T + 60_000}
WAIT = f"wait|s|c|{T}|q"


def one(differences: list[Difference], kind: str) -> Difference:
    """The only difference of a kind."""
    (found,) = [difference for difference in differences if difference.kind == kind]
    return found


def test_two_audits_of_one_log_have_no_difference(tmp_path: Path) -> None:
    log = written([ASKED, REPLY, OTHER], tmp_path / "log.jsonl")
    replayed(tmp_path / "a", log)
    replayed(tmp_path / "b", log)
    found = compare(Output(tmp_path / "a"), Output(tmp_path / "b"))
    assert (found.equal, found.inputs, found.policy) == (True, True, {})
    assert found.same == sum(1 for _ in Output(tmp_path / "a").rows("facts.jsonl")) > 0


def test_a_missing_event_is_named_where_it_changed_a_fact(tmp_path: Path) -> None:
    replayed(tmp_path / "a", written([ASKED, REPLY, OTHER, END], tmp_path / "a.jsonl"))
    replayed(tmp_path / "b", written([ASKED, OTHER, END], tmp_path / "b.jsonl"))
    found = compare(Output(tmp_path / "a"), Output(tmp_path / "b"))
    assert found.inputs is False
    wait = one(found.first, "wait")
    assert wait.fact == WAIT
    assert wait.events == ("r",)
    assert {"outcome", "ms", "until", "answered_by"} <= set(wait.fields)
    assert wait.policy == ()
    assert not any(difference.fact.startswith("wait|s|d|") for difference in found.first)


def test_a_changed_rule_is_named_where_facts_depend_on_it(tmp_path: Path) -> None:
    log = written([ASKED, BOT, REPLY], tmp_path / "log.jsonl")
    bots = with_settings(load("handbook"), ("effective.response=human,assist_bot,bot", "headline=60s"))
    replayed(tmp_path / "a", log)
    replayed(tmp_path / "b", log, policy=bots)
    found = compare(Output(tmp_path / "a"), Output(tmp_path / "b"))
    assert set(found.policy) == {"effective.response", "headline"}
    wait = one(found.first, "wait")
    assert wait.policy == ("effective.response",), "headline decides about no wait"
    assert wait.left is not None
    assert wait.right is not None
    assert (wait.left["ms"], wait.right["ms"]) == (40_000, 5_000)


def test_who_may_answer_in_the_queue_decides_about_receptions_too(tmp_path: Path) -> None:
    log = written([{**ASKED, "agent": None}, {**BOT, "agent": None}, END], tmp_path / "log.jsonl")
    replayed(tmp_path / "a", log)
    replayed(tmp_path / "b", log, policy=with_settings(load("handbook"), ("effective.queue=human",)))
    found = compare(Output(tmp_path / "a"), Output(tmp_path / "b"))
    assert one(found.first, "reception").policy == ("effective.queue",)


def test_a_fact_of_one_side_only_is_counted_on_its_side(tmp_path: Path) -> None:
    replayed(tmp_path / "a", written([ASKED, REPLY, END], tmp_path / "a.jsonl"))
    replayed(tmp_path / "b", written([ASKED, REPLY, OTHER, END], tmp_path / "b.jsonl"))
    found = compare(Output(tmp_path / "a"), Output(tmp_path / "b"))
    assert found.counts["wait", "only right"] == 1
    assert found.counts["wait", "changed"] == 0


def test_no_more_differences_are_kept_than_asked_for_and_all_are_counted(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"".join(line + b"\n" for line in lines(Plan(seed=3, start_ms=T, messages=2_000))))
    replayed(tmp_path / "a", log)
    replayed(tmp_path / "b", log, policy=with_settings(load("handbook"), ("session_gap=30s",)))
    found = compare(Output(tmp_path / "a"), Output(tmp_path / "b"), limit=3)
    receptions = [difference for difference in found.first if difference.kind == "reception"]
    assert len(receptions) == 3
    assert sum(number for (kind, _), number in found.counts.items() if kind == "reception") > 3


def test_every_kind_of_fact_says_what_it_depends_on() -> None:
    fields = json.loads(CliRunner().invoke(cli, ["policy", "check", "handbook", "--json"]).stdout)
    for kind, beginnings in DEPENDS.items():
        for beginning in beginnings:
            assert any(name.startswith(beginning) for name in fields), (
                f"{kind}: no policy field is {beginning}"
            )


@pytest.mark.parametrize("breakage", ["missing", "torn", "other"])
def test_a_folder_that_is_no_audit_is_refused_with_a_way_out(tmp_path: Path, breakage: str) -> None:
    if breakage != "missing":
        (tmp_path / "manifest.json").write_text('{"inp' if breakage == "torn" else "{}", "utf-8")
    with pytest.raises(ReplayError, match="manifest"):
        Output(tmp_path)


def test_a_fact_is_explained_by_the_events_of_its_customer_in_order(tmp_path: Path) -> None:
    log = written([REPLY, ASKED, OTHER, BOT], tmp_path / "log.jsonl")
    replayed(tmp_path / "a", log)
    found = explain(Output(tmp_path / "a"), WAIT)
    assert [(line.event.id, line.evidence, line.line) for line in found.lines] == [
        ("q", True, 2),
        ("b", True, 4),
        ("r", True, 1),
    ]
    assert found.fact["ms"] == 40_000


def test_an_alert_is_explained_too_and_a_moved_log_can_be_named(tmp_path: Path) -> None:
    log = written([ASKED, REPLY], tmp_path / "log.jsonl")
    replayed(tmp_path / "a", log)
    moved = log.rename(tmp_path / "moved.jsonl")
    found = explain(Output(tmp_path / "a"), _alert(tmp_path / "a"), (str(moved),))
    assert [line.event.id for line in found.lines] == ["q", "r"]
    with pytest.raises(ReplayError, match=r"log\.jsonl"):
        explain(Output(tmp_path / "a"), WAIT)


def test_an_alert_of_an_agent_shows_the_messages_that_it_names(tmp_path: Path) -> None:
    asked = [{**ASKED, "id": f"q{n}", "customer": f"c{n}", "ts": T + n * 1_000} for n in range(6)]
    online = {"id": "on", "type": "presence", "ts": T - 1_000, "shop": "s", "agent": "A", "state": "online"}
    elsewhere = {**ASKED, "id": "q0", "shop": "other"}
    replayed(tmp_path / "a", written([*asked, online, elsewhere], tmp_path / "log.jsonl"))
    found = explain(Output(tmp_path / "a"), f"overload|s|A|{T + 4_000}")
    assert [(line.event.id, line.evidence) for line in found.lines] == [
        ("on", False),
        *((f"q{n}", True) for n in range(5)),
    ]


def _alert(folder: Path) -> str:
    return str(next(Output(folder).rows("alerts.jsonl"))["alert"])


def test_the_commands_say_what_they_found_and_never_what_was_said_unless_asked(tmp_path: Path) -> None:
    log = written([ASKED, BOT, REPLY], tmp_path / "log.jsonl")
    replayed(tmp_path / "a", log)
    replayed(tmp_path / "b", log, policy=load("kuaishou"))
    run = CliRunner().invoke(cli, ["diff", str(tmp_path / "a"), str(tmp_path / "b"), "--check"])
    assert run.exit_code == 1
    assert "policy: alert.levels, effective.response" in run.output
    assert (
        CliRunner().invoke(cli, ["diff", str(tmp_path / "a"), str(tmp_path / "a"), "--check"]).exit_code == 0
    )
    shown = CliRunner().invoke(cli, ["explain", WAIT, "--audit", str(tmp_path / "a")])
    assert shown.exit_code == 0
    assert "2025-11-21 10:00:40.000  human A" in shown.output
    assert "在的" not in shown.output
    assert (
        "在的" in CliRunner().invoke(cli, ["explain", WAIT, "--audit", str(tmp_path / "a"), "--text"]).output
    )
    told = json.loads(
        CliRunner().invoke(cli, ["explain", WAIT, "--audit", str(tmp_path / "a"), "--json"]).output
    )
    assert [event["event"]["id"] for event in told["events"]] == ["q", "b", "r"]
    unknown = CliRunner().invoke(cli, ["explain", "wait|no", "--audit", str(tmp_path / "a")])
    assert unknown.exit_code == 1
    assert "no such fact" in unknown.output
