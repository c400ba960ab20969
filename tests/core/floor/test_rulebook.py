"""The rulebook is the one place: what stands in it is judged, published, counted, kept and replayed (SPEC 8, kind s)."""

import ast
import json
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

import csstream.core
from csstream.core.alert import Alert
from csstream.core.changes import OpenWait
from csstream.core.conversation import NEVER
from csstream.core.floor import rulebook
from csstream.core.floor.agent_rule import AgentRule
from csstream.core.floor.scene import Scene, first_messages
from csstream.core.floor.shop_rule import ShopRule
from csstream.ledgers.memory import MemoryLedger
from csstream.notify.config import load as load_routes
from csstream.replay.job import Job
from csstream.replay.run import run
from csstream.runner import Runner
from tests.core.floor.seen import CROWD, FIVE, alerts
from tests.core.test_live import HANDBOOK, Live
from tests.laws.live import TOPICS, drive
from tests.laws.notation import at, chat

# ---- rules that exist here alone -------------------------------------------------------------------------

TWO_WAIT = AgentRule(
    "two_wait",
    "warning",
    "two customers wait for an agent",
    lambda _scene, desk, _t, _stands: len(desk.legs) >= 2,
    lambda _scene, _desk, _t: NEVER,
    lambda _scene, desk, _t: {"waits": len(desk.legs)},
    lambda _scene, desk, _t: list(desk.legs.values()),
    lambda alert: {"zh": f"{alert.agent}：两位顾客在等", "en": f"{alert.agent}: two customers wait"},
)
"""A rule about an agent that says nothing of when it has to be looked at."""


def rush() -> type[ShopRule]:
    """A rule about a shop that is told of waits, comes back by itself, and has something to remember."""

    class Rush(ShopRule):
        """Three customers have been waiting at a time for twenty seconds."""

        name: ClassVar[str] = "rush"
        meaning: ClassVar[str] = "three wait at once for a while"

        def __init__(self, scene: Scene) -> None:
            super().__init__(scene)
            self.since = -1

        def moved(self, _customer: str, _wait: OpenWait | None) -> None:
            """There may be three now, or no more."""
            self.call()

        def judge(self, t: int) -> None:
            """Judge the rule at `t`."""
            if len(self.scene.waits) < 3:
                self.since = -1
                if self.alert is not None:
                    self.scene.end(self.alert, t)
                    self.alert = None
            elif self.since < 0:
                self.since = t
                self.remind(t + 20_000)
            elif self.alert is None and self.since + 20_000 <= t:
                evidence = first_messages(self.scene.waits.values())
                self.alert = self.scene.fire(self.name, str(t), "critical", t, self.since, {}, evidence)
                self.alert.summary = {"zh": "忙：请支援", "en": "a rush: help"}

        def kept(self) -> Any:
            """Since when there are three."""
            return self.since if self.since >= 0 else None

        def resume(self, kept: Any, _t: int) -> None:
            """Go on waiting for the twenty seconds."""
            if kept is not None:
                self.since = kept
                self.remind(kept + 20_000)

    return Rush


def restarted(live: Live) -> Live:
    """The same partition in a new process: all it knows is what it kept."""
    live.runner = Runner(HANDBOOK, MemoryLedger(live.store), TOPICS, on_step=live.steps.append)
    drive(live.runner.open())
    return live


def audited(folder: Path, *lines: str) -> list[Any]:
    """What `alerts.jsonl` of a replay says."""
    log = folder / "log.jsonl"
    log.write_text("".join(json.dumps(event) + "\n" for event in chat(*lines)), "utf-8")
    run(Job((str(log),), folder / "out", (HANDBOOK,)))
    return [json.loads(line) for line in (folder / "out/alerts.jsonl").read_text("utf-8").splitlines()]


LINES = ("10:00:00 c>A @a #a", "10:00:01 c>A @b #b", "10:00:02 c>B @c #c")
LATER = ("10:01:00 A human @a", "10:01:30 - system @x")


def lives_a_day(name: str, begins: str, folder: Path) -> None:
    """A rule fires at `begins` and ends at 10:01 once an answer comes, however often all is forgotten meanwhile."""

    def last() -> tuple[str, int, int | None]:
        alert = [alert for alert in live.store.alerts if alert.rule == name][-1]
        return alert.state, alert.ts, alert.end

    live = restarted(Live().hears(LINES[0], wall="10:00:00"))
    assert firing(live)[name] == 0
    restarted(live.hears(*LINES[1:], wall="10:00:10"))
    restarted(live.hears(wall="10:00:30"))
    assert last() == ("firing", at(begins), None)
    assert firing(live)[name] == 1
    live.hears(*LATER, wall="10:01:40")
    assert last() == ("resolved", at(begins), at("10:01:00"))
    assert firing(live)[name] == 0
    assert sum(alert.rule == name for alert in live.store.alerts) == 2
    [line] = [
        line for line in audited(folder, *LINES, *LATER, "10:01:40 - system @x") if line["rule"] == name
    ]
    [*_, told] = [alert for alert in live.store.alerts if alert.rule == name]
    assert line == json.loads(msgspec.json.encode(told))
    (folder / "notify.toml").write_text(
        f'[sinks.a]\nkind = "console"\n[[routes]]\nsinks = ["a"]\nrules = ["{name}"]\n', "utf-8"
    )
    assert load_routes(folder / "notify.toml").routes


def test_a_rule_about_an_agent_needs_its_entry_and_no_other_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rulebook, "AGENT_RULES", (*rulebook.AGENT_RULES, TWO_WAIT))
    lives_a_day("two_wait", "10:00:01", tmp_path)
    assert "two_wait" in rulebook.by_feed()


@pytest.mark.skipif(csstream.core.COMPILED, reason="a class in Python cannot be made of one in machine code")
def test_a_rule_about_a_shop_needs_its_entry_and_no_other_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rulebook, "SHOP_RULES", (*rulebook.SHOP_RULES, rush()))
    lives_a_day("rush", "10:00:22", tmp_path)


# ---- all of them -----------------------------------------------------------------------------------------


def test_every_rule_has_its_proof_beside_it() -> None:
    tree = ast.parse(Path(rulebook.__file__).read_text("utf-8"))
    modules = {
        node.module.rpartition(".")[2]
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module is not None and ".floor." in node.module
    } - {"agent_rule", "shop_rule"}
    folder = Path(__file__).parent
    assert [name for name in sorted(modules) if not (folder / f"test_{name}.py").exists()] == []
    proofs = " ".join((folder / f"test_{name}.py").read_text("utf-8") for name in modules)
    assert [name for name in rulebook.names() if f'{name}"' not in proofs] == []


def test_every_rule_says_what_to_do_in_both_languages() -> None:
    found = alerts(*CROWD, "23:40:00 - system @x", clock="23:59:59 - system @clock")
    assert len({a.rule for a in found}) >= 8
    for alert in found:
        assert set(alert.summary) == {"zh", "en"}
        assert "：" in alert.summary["zh"], alert.rule
        assert ":" in alert.summary["en"], alert.rule
        assert alert.evidence, f"{alert.rule} names no evidence"


def test_a_record_is_read_back_as_it_was_written() -> None:
    [alert] = alerts(*FIVE, clock="10:00:10 - system @clock")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(alert), type=Alert) == alert


def test_the_rules_have_a_name_and_a_meaning_each() -> None:
    assert len(set(rulebook.all_names())) == len(rulebook.all_names()) >= 13
    assert all(rule.meaning for rule in rulebook.AGENT_RULES)
    assert all(rule.meaning for rule in rulebook.SHOP_RULES)


def firing(live: Live) -> dict[str, float | list[int]]:
    """What /metrics shows of the rules of a state: how many alerts of each stand."""
    readings = live.runner.engine.readings()
    return {
        labels[1]: value
        for name, labels, value in readings
        if name == "alerts_firing" and labels[1] in rulebook.names()
    }


def test_metrics_count_what_stands_of_every_rule_of_a_state_and_count_it_down_again() -> None:
    live = Live().hears(*CROWD, wall="10:00:25")
    assert firing(live) == dict.fromkeys(rulebook.names(), 0) | {"overload": 3}
    live.hears(wall="10:01:00")
    assert firing(live)["storm"] == 1
    waits = {"overload": 3, "hung_with_waits": 1, "offline_with_waits": 1, "idle_online": 1, "storm": 0}
    live.hears(wall="10:04:00")
    assert firing(live) == dict.fromkeys(rulebook.names(), 0) | waits
    live.hears(wall="10:05:24")
    assert firing(live) == dict.fromkeys(rulebook.names(), 0) | waits | {"reply_rate": 1, "feed_silent": 1}
    live.hears(wall="23:30:01")
    assert firing(live)["midnight"] == 1
    answers = [f"23:31:{n:02} {'ABC'[n % 3]} human @c{n}" for n in range(24)]
    live.hears(*answers, "23:31:30 presence A offline", wall="23:50:00")
    assert firing(live) == dict.fromkeys(rulebook.names(), 0)
