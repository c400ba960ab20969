"""Policies: what is shipped says what SPEC 2 says, and what is wrong is told at its line before anything runs."""

import json
import pickle
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.policy import (
    BOUNDS_S,
    DAY_MS,
    SENDERS,
    SEVERITIES,
    Level,
    Policy,
    PolicyError,
    Stage,
    describe,
    load,
    profiles,
    with_settings,
)

S = 1000
M = 60 * S
H = 60 * M
D = 24 * H
PERSONS = frozenset({"human", "assist_bot"})
PERSONS_AND_BOT = PERSONS | {"bot"}

# SPEC 2, column "handbook default", by hand.
HANDBOOK = {
    "id": "handbook",
    "version": 1,
    "valid_from_ms": 0,
    "timezone": "Asia/Shanghai",
    "effective_response": PERSONS,
    "effective_reply_rate": PERSONS_AND_BOT,
    "effective_queue": PERSONS_AND_BOT,
    "long_wait": "exclude",
    "long_wait_ms": 1800 * S,
    "hours": None,
    "headline_ms": 30 * S,
    "session_gap_ms": 600 * S,
    "levels": (
        Level(15 * S, "info"),
        Level(30 * S, "warning"),
        Level(100 * S, "critical"),
        Level(180 * S, "breach"),
        Level(1800 * S, "lost"),
    ),
    "clear_ratio": Fraction(3, 5),
    "stale_after_ms": 120 * S,
    "notify_settle_ms": 1 * S,
    "closing_words": (
        "好",
        "好的",
        "好滴",
        "嗯",
        "嗯嗯",
        "谢谢",
        "多谢",
        "谢了",
        "ok",
        "知道了",
        "再见",
        "拜拜",
    ),
    "closing_alert": False,
    "closing_in_response_time": False,
    "closing_in_reply_rate": True,
    "overload_open_waits": 5,
    "overload_over_30": 3,
    "overload_concurrent": 10,
    "idle_online_wait_ms": 60 * S,
    "idle_online_silent_ms": 300 * S,
    "with_waits_over_ms": 30 * S,
    "midnight_at": (23 * H + 30 * M, 23 * H + 45 * M, 23 * H + 55 * M),
    "feed_silent_over_ms": 300 * S,
    "reply_rate_target": 97,
    "reply_rate_after": 20,
    "reply_rate_settle_ms": 300 * S,
    "storm_over_ms": 30 * S,
    "storm_waits": 20,
    "storm_within_ms": 60 * S,
    "unpaid_stages": (
        Stage("12h", 12 * H, ("chat",)),
        Stage("24h", 24 * H, ("chat", "sms")),
        Stage("72h", 72 * H, ("lost",)),
    ),
    "unpaid_quiet": (1 * H, 8 * H + 30 * M),
    "unpaid_max_per_24h": 3,
    "unpaid_min_gap_ms": 2 * H,
    "unpaid_grace_ms": 1 * H,
    "unpaid_cod_contact_ms": 300 * S,
    "attribution_order": ("memo", "sku", "chat"),
    "attribution_lookback_ms": 24 * H,
    "attribution_final_window_days": 3,
    "attribution_reversal_ms": 15 * D,
    "attribution_aftersale_ms": 21 * D,
    "attribution_order_ttl_ms": 90 * D,
    "lateness_horizon_ms": 600 * S,
    "wait_ttl_ms": 48 * H,
    "live_within_ms": 7 * D,
    "changed": "",
    "tag": "handbook@1",
}
FIVE_MINUTE_LEVELS = (
    Level(30 * S, "info"),
    Level(100 * S, "warning"),
    Level(180 * S, "critical"),
    Level(300 * S, "breach"),
    Level(1800 * S, "lost"),
)
# SPEC 2, column "other profiles".
OTHERS: dict[str, dict[str, object]] = {
    "handbook": {},
    "tmall": {
        "long_wait": "cap",
        "long_wait_ms": 600 * S,
        "hours": (8 * H, 23 * H),
        "closing_in_response_time": True,
        "unpaid_stages": (
            Stage("30m", 30 * M, ("chat",)),
            Stage("12h", 12 * H, ("chat", "sms")),
            Stage("24h", 24 * H, ("lost",)),
        ),
    },
    "jd": {
        "effective_response": frozenset({"human"}),
        "effective_reply_rate": PERSONS,
        "long_wait": "none",
        "long_wait_ms": 0,
        "hours": (9 * H, 23 * H),
        "closing_in_response_time": True,
    },
    "pdd": {
        "effective_reply_rate": PERSONS,
        "long_wait": "none",
        "long_wait_ms": 0,
        "hours": (8 * H, 23 * H),
        "headline_ms": 300 * S,
        "levels": FIVE_MINUTE_LEVELS,
        "closing_in_response_time": True,
    },
    "kuaishou": {
        "effective_response": PERSONS_AND_BOT,
        "long_wait": "none",
        "long_wait_ms": 0,
        "hours": (8 * H, DAY_MS),
        "headline_ms": 300 * S,
        "levels": FIVE_MINUTE_LEVELS,
        "closing_in_response_time": True,
    },
}


def attributes(policy: Policy) -> dict[str, object]:
    return {name: getattr(policy, name) for name in Policy.__dataclass_fields__}


def refusal(text: str, folder: Path) -> tuple[str, ...]:
    file = folder / "policy.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(PolicyError) as caught:
        load(str(file))
    return tuple(problem.removeprefix(f"{folder}/") for problem in caught.value.problems)


def accepted(text: str, folder: Path) -> Policy:
    file = folder / "policy.toml"
    file.write_text(text, "utf-8")
    return load(str(file))


# ---------------------------------------------------------------------------------------- shipped profiles


def test_the_default_comes_first_and_every_profile_of_the_contract_is_shipped() -> None:
    assert profiles() == ("handbook", "jd", "kuaishou", "pdd", "tmall")


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_a_shipped_profile_has_the_values_of_the_contract(name: str) -> None:
    expected = HANDBOOK | {"id": name, "tag": f"{name}@1"} | OTHERS[name]
    assert attributes(load(name)) == expected


def test_a_policy_can_key_a_table_and_travel_to_another_process() -> None:
    policy = with_settings(load("jd"), ["wait_ttl=none"])
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert {policy: 1, load("jd"): 2}[policy] == 1
    with pytest.raises(AttributeError):
        policy.headline_ms = 1  # type: ignore[misc]


def test_an_error_keeps_its_lines_on_the_way_from_a_worker_process() -> None:
    error = PolicyError(["a.toml:1: x", "a.toml:2: y"])
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.problems) == ("a.toml:1: x\na.toml:2: y", error.problems)


# ---------------------------------------------------------------------------------------- mistakes

MISTAKES = {
    "a level that does not rise": (
        'alert.levels = [\n  { over = "30s", severity = "info" },\n  { over = "15s", severity = "warning" },\n]',
        "policy.toml:4: alert.levels[1].over must be > alert.levels[0].over",
        '"15s" after 30s',
    ),
    "a level in tables of its own": (
        '[[alert.levels]]\nover = "30s"\nseverity = "info"\n[[alert.levels]]\nseverity = "lost"\nover = "30s"',
        "policy.toml:7: alert.levels[1].over must be > alert.levels[0].over",
        "rising order",
    ),
    "a milder level above": (
        'alert.levels = ["30s lost",\n"60s info"]',
        "policy.toml:3: alert.levels[1].severity must not be milder than alert.levels[0].severity",
        "info",
    ),
    "an unknown severity": (
        '[alert]\nlevels = [{ over = "30s", severity = "panic" }]',
        "policy.toml:3: alert.levels[0].severity must be one of info, warning, critical, breach, lost",
        '"panic"',
    ),
    "a level without severity": (
        '[alert]\nlevels = [\n  { over = "30s" }]',
        "policy.toml:4: alert.levels[0].severity is missing",
        "write",
    ),
    "a strange key in a level": (
        '[alert]\nlevels = [\n  { over = "30s",\tseverity = "info" , ovr = 3 }]',
        "policy.toml:4: alert.levels[0].ovr is not known",
        "did you mean `over`?",
    ),
    "no level": ("[alert]\nlevels = []", "policy.toml:3: alert.levels must not be empty", "write at least"),
    "a unit forgotten": ('headline = "30"', "policy.toml:2: headline must be a duration", '"30"'),
    "a fraction of a second": ("session_gap = 1.5", "policy.toml:2: session_gap must be a duration", "`1.5`"),
    "a negative duration": ("wait_ttl = -5", "policy.toml:2: wait_ttl must be from 1s to 3650d", "`-5`"),
    "an endless duration": (
        'wait_ttl = "99999d"',
        "policy.toml:2: wait_ttl must be from 1s to 3650d",
        '"99999d"',
    ),
    "none where nothing can be off": (
        'headline = "none"',
        "policy.toml:2: headline must be a duration",
        '"none"',
    ),
    "a yes for a number": ("headline = true", "policy.toml:2: headline must be a duration", "`true`"),
    "a headline off the histogram": (
        'headline = "25s"',
        "policy.toml:2: headline must be a bound of the histogram",
        "one of 5s, 10s, 15s",
    ),
    "a misspelt field": (
        "[alert]\n\nlevles = []",
        "policy.toml:4: alert.levles is not known",
        "`alert.levels`?",
    ),
    "a field in the wrong table": (
        "[alert]\nsettle = 1",
        "policy.toml:3: alert.settle is not known",
        "notify.settle",
    ),
    "a misspelt table": (
        '# why\n[closng]\nwords = ["ok"]',
        "policy.toml:3: closng is not known",
        "did you mean",
    ),
    "an attribute for a field": (
        "headline_ms = 30",
        "policy.toml:2: headline_ms is not known",
        "`headline`?",
    ),
    "a value for a table": ("overload = 5", "policy.toml:2: overload must be a table", "overload.open_waits"),
    "hours over midnight": (
        'hours = "23:00-08:00"',
        "policy.toml:2: hours must end after it starts",
        "23:00-08:00",
    ),
    "hours that are none": ('hours = "8-23"', "policy.toml:2: hours must be two times of day", '"always"'),
    "quiet all day": (
        '[unpaid]\nquiet = "08:00-08:00"',
        "policy.toml:3: unpaid.quiet must leave some",
        "08:00-08:00",
    ),
    "a call out after the day": (
        'midnight.at = [\n"23:30",\n"24:00"]',
        "policy.toml:4: midnight.at[1] must be a time of day before 24:00",
        '"24:00"',
    ),
    "call outs out of order": (
        'midnight.at = ["23:30", "23:15"]',
        "policy.toml:2: midnight.at[1] must be later than the one before",
        '"23:15"',
    ),
    "an unknown sender": (
        '[effective]\nqueue = []\nresponse = ["human", "customer"]',
        "policy.toml:4: effective.response[1] must be one of human, assist_bot",
        '"customer"',
    ),
    "nobody answers": (
        "effective.response = []",
        "policy.toml:2: effective.response must not be empty",
        "human",
    ),
    "a list in words": (
        'effective.response = "human"',
        "policy.toml:2: effective.response must be a list",
        '"human"',
    ),
    "twice the same": (
        'attribution.order = ["memo", "memo"]',
        "policy.toml:2: attribution.order[1] says",
        "leave one out",
    ),
    "a long wait of no mode": (
        'long_wait = { mode = "drop", over = "30m" }',
        "policy.toml:2: long_wait must be",
        "exclude",
    ),
    "a long wait with one word too many": (
        'long_wait = "cap 600s each"',
        "policy.toml:2: long_wait must be",
        '"cap 600s each"',
    ),
    "a long wait without bound": (
        '[long_wait]\nmode = "cap"',
        "policy.toml:2: long_wait.over is missing",
        'mode = "cap"',
    ),
    "a bound for nothing": (
        '[long_wait]\nmode = "none"\nover = "30m"',
        "policy.toml:4: long_wait.over has no use",
        '"30m"',
    ),
    "a ratio of one": (
        "[alert]\nclear_ratio = 1.0",
        "policy.toml:3: alert.clear_ratio must be a number",
        "1.0",
    ),
    "a ratio that is no number": (
        "alert.clear_ratio = nan",
        "policy.toml:2: alert.clear_ratio must be",
        "NaN",
    ),
    "a yes in quotes": (
        '[closing]\nalert = "true"',
        "policy.toml:3: closing.alert must be true or false",
        "quotes",
    ),
    "a word that never matches": (
        'closing.words = ["ok!",]',
        "policy.toml:2: closing.words[0] could never match",
        '"!"',
    ),
    "more than all": (
        "reply_rate.target = 101",
        "policy.toml:2: reply_rate.target must be from 1 to 100",
        "101",
    ),
    "a count in quotes": ('storm.waits = "20"', "policy.toml:2: storm.waits must be a whole number", '"20"'),
    "half a day": (
        'attribution.final_window = "36h"',
        "policy.toml:2: attribution.final_window must be whole days",
        "`3d`",
    ),
    "days taken for seconds": (
        "attribution.final_window = 3",
        "policy.toml:2: attribution.final_window",
        "`3d`",
    ),
    "no deadline": (
        'unpaid.stages = ["12h chat"]',
        "policy.toml:2: unpaid.stages must end with the deadline",
        "lost",
    ),
    "a stage after the deadline": (
        'unpaid.stages = [\n"12h lost",\n"24h chat",]',
        "policy.toml:4: unpaid.stages[1] comes after the lost stage",
        "unpaid.stages[0]",
    ),
    "a stage that does not rise": (
        'unpaid.stages = ["24h chat", "12h sms", "72h lost"]',
        "policy.toml:2: unpaid.stages[1].after must be > unpaid.stages[0].after",
        '"12h"',
    ),
    "an unknown channel": (
        'unpaid.stages = [{ after = "12h", channels = ["pigeon"] }, "72h lost"]',
        "policy.toml:2: unpaid.stages[0].channels[0] must be one of chat, sms, lost",
        "pigeon",
    ),
    "a reminder at the deadline": (
        'unpaid.stages = ["72h lost+chat"]',
        "policy.toml:2: unpaid.stages[0].channels must be `lost` alone",
        "lost+chat",
    ),
    "no time zone": (
        'timezone = "asia/shanghai"',
        "policy.toml:2: timezone must be an IANA",
        "`Asia/Shanghai`",
    ),
    "a folder of time zones": ('timezone = "Asia"', "policy.toml:2: timezone must be an IANA", '"Asia"'),
    "a zone from the file system": (
        'timezone = "/etc/localtime"',
        "policy.toml:2: timezone must be an IANA",
        "/etc",
    ),
    "a start without offset": (
        "valid_from = 2026-01-01",
        "policy.toml:2: valid_from must be a time",
        "offset",
    ),
    "a start before the epoch": (
        "valid_from = 1969-12-31T00:00:00Z",
        "policy.toml:2: valid_from must not be before 1970",
        "1969",
    ),
    "an id that breaks a tag": ('version = 1\nid = "a@b"', "policy.toml:3: id must be 1 to 64", '"a@b"'),
    "an id without version": ('id = "mine"', "policy.toml:1: version is missing", "version = 1"),
    "version nought": ('id = "mine"\nversion = 0', "policy.toml:3: version must be from 1", "not 0"),
    "broken TOML": ('headline = "30s', "policy.toml:2: is not TOML here", ""),
    "broken at the end": ("wait_ttl = 1\nmidnight.at = [", "policy.toml:4: is not TOML here", ""),
    "the same key twice": (
        "wait_ttl = 1\nwait_ttl = 2",
        "policy.toml:3: is not TOML here",
        "Cannot overwrite",
    ),
    "an endless number": (f"wait_ttl = {'9' * 5000}", "policy.toml:1: cannot be read as TOML", "digits"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_at_its_line_with_its_value_and_the_way_out(mistake: str, tmp_path: Path) -> None:
    text, place, hint = MISTAKES[mistake]
    (problem,) = refusal(f"# first line\n{text}\n", tmp_path)
    assert problem.startswith(place)
    assert hint in problem


def test_a_parent_that_is_not_shipped_is_told_with_the_nearest(tmp_path: Path) -> None:
    (problem,) = refusal('\nextends = "tmal"', tmp_path)
    assert problem == 'policy.toml:2: extends must be a shipped profile, not "tmal": did you mean `tmall`?'


def test_all_mistakes_of_a_file_are_told_at_once_in_its_order(tmp_path: Path) -> None:
    text = 'headline = "x"\n[unpaid]\ngrace = "y"\n[alert]\nlevels = [\n "1s info",\n "z info",\n "1s info",\n]\n'
    problems = refusal(text, tmp_path)
    assert [problem.split(" ")[:2] for problem in problems] == [
        ["policy.toml:1:", "headline"],
        ["policy.toml:3:", "unpaid.grace"],
        ["policy.toml:7:", "alert.levels[1].over"],
        ["policy.toml:8:", "alert.levels[2].over"],
    ]


def test_brackets_and_keys_inside_strings_and_comments_do_not_move_the_line(tmp_path: Path) -> None:
    text = (
        "closing.words = [ # ] [alert]\n  \"]\", '[[',\n  \"\"\"\nheadline = 1\n\"\"\", '''\n[x]''' ]\n"
        '"headline" = "x" # = [\n[ unpaid ] # [alert]\n  grace = "y"\n'
    )
    places = [problem.split(" ")[:2] for problem in refusal(text, tmp_path)]
    assert places[-2:] == [["policy.toml:7:", "headline"], ["policy.toml:9:", "unpaid.grace"]]
    assert ["policy.toml:2:", "closing.words[1]"] in places
    assert ["policy.toml:3:", "closing.words[2]"] in places


def test_a_profile_that_does_not_exist_is_told_with_the_nearest_name() -> None:
    with pytest.raises(PolicyError, match=r"handbok: is no shipped profile .* did you mean `handbook`\?"):
        load("handbok")


def test_a_file_in_another_encoding_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "gbk.toml"
    file.write_bytes('closing.words = ["好的"]'.encode("gbk"))
    with pytest.raises(PolicyError, match="is not UTF-8"):
        load(str(file))


def test_a_file_saved_by_a_windows_editor_is_read_and_its_lines_are_right(tmp_path: Path) -> None:
    file = tmp_path / "windows.toml"
    file.write_bytes(b'\xef\xbb\xbfheadline = "60s"\r\n[unpaid]\r\ngrace = "30m"\r\n')
    policy = load(str(file))
    assert (policy.headline_ms, policy.unpaid_grace_ms) == (60 * S, 30 * M)
    file.write_bytes(b'\xef\xbb\xbfheadline = "60s"\r\n[unpaid]\r\ngrace = "x"\r\n')
    with pytest.raises(PolicyError, match=r"windows\.toml:3: unpaid\.grace"):
        load(str(file))


# ---------------------------------------------------------------------------------------- files of one's own


def test_a_file_gives_only_what_differs_from_the_profile_it_extends(tmp_path: Path) -> None:
    mine = accepted('extends = "tmall"\nid = "mine"\nversion = 3\nheadline = 60\n', tmp_path)
    expected = attributes(load("tmall")) | {
        "id": "mine",
        "version": 3,
        "headline_ms": 60 * S,
        "tag": "mine@3",
    }
    assert attributes(mine) == expected


def test_without_extends_the_handbook_is_extended(tmp_path: Path) -> None:
    mine = accepted('id = "mine"\nversion = 1\n', tmp_path)
    assert attributes(mine) == attributes(load("handbook")) | {"id": "mine", "tag": "mine@1"}


def test_a_file_without_an_id_never_passes_for_the_shipped_profile(tmp_path: Path) -> None:
    changed = accepted('extends = "jd"\nheadline = 60\n', tmp_path)
    assert changed.tag.startswith("jd@1+")
    assert changed == with_settings(load("jd"), ["headline=60s"])
    raised = accepted('id = "jd"\nversion = 2\nextends = "jd"\n', tmp_path)
    assert raised.tag.startswith("jd@2+")


def test_a_copy_of_a_shipped_file_is_the_shipped_profile(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "csstream/policies/handbook.toml").read_text("utf-8")
    assert accepted(text, tmp_path) is load("handbook")


def test_durations_may_be_texts_of_several_units_or_whole_seconds(tmp_path: Path) -> None:
    mine = accepted('wait_ttl = "1d2h3m4s"\nsession_gap = 90\nunpaid.grace = "1h30m"\n', tmp_path)
    assert (mine.wait_ttl_ms, mine.session_gap_ms, mine.unpaid_grace_ms) == (93_784 * S, 90 * S, 90 * M)


def test_valid_from_may_be_a_time_or_a_text_with_any_offset(tmp_path: Path) -> None:
    one = accepted('id = "a"\nversion = 1\nvalid_from = 2026-11-21T00:00:00+08:00\n', tmp_path)
    two = accepted('id = "a"\nversion = 1\nvalid_from = "2026-11-20T16:00:00Z"\n', tmp_path)
    assert one == two
    assert one.valid_from_ms == 1_795_190_400_000


def test_what_can_be_off_is_off_by_none(tmp_path: Path) -> None:
    text = 'extends = "tmall"\nlong_wait = "none"\nhours = "always"\nwait_ttl = "none"\nunpaid.quiet = "none"\nfeed_silent.over = "none"\n'
    mine = accepted(text, tmp_path)
    off = (
        mine.long_wait,
        mine.long_wait_ms,
        mine.hours,
        mine.wait_ttl_ms,
        mine.unpaid_quiet,
        mine.feed_silent_over_ms,
    )
    assert off == ("none", 0, None, None, None, None)


# ---------------------------------------------------------------------------------------- settings


SETTINGS = {
    "long_wait=none": ("long_wait_ms", 0),
    "long_wait=cap 600s": ("long_wait_ms", 600 * S),
    "long_wait = exclude 900": ("long_wait_ms", 900 * S),
    "hours=09:00-24:00": ("hours", (9 * H, DAY_MS)),
    "headline=60": ("headline_ms", 60 * S),
    "wait_ttl=47h": ("wait_ttl_ms", 47 * H),
    "wait_ttl=none": ("wait_ttl_ms", None),
    "feed_silent.over=none": ("feed_silent_over_ms", None),
    "effective.response=human,bot": ("effective_response", frozenset({"human", "bot"})),
    "effective.queue=none": ("effective_queue", frozenset()),
    "alert.levels=15s info,30 warning": ("levels", (Level(15 * S, "info"), Level(30 * S, "warning"))),
    "alert.clear_ratio=0.1": ("clear_ratio", Fraction(1, 10)),
    "closing.alert=true": ("closing_alert", True),
    "closing.words=好, OK 谢谢": ("closing_words", ("好", "OK", "谢谢")),
    "closing.words=none": ("closing_words", ()),
    "overload.concurrent=12": ("overload_concurrent", 12),
    "midnight.at=22:00, 23:00": ("midnight_at", (22 * H, 23 * H)),
    "midnight.at=none": ("midnight_at", ()),
    "unpaid.stages=2h chat+sms, 3h lost": (
        "unpaid_stages",
        (Stage("2h", 2 * H, ("chat", "sms")), Stage("3h", 3 * H, ("lost",))),
    ),
    "unpaid.quiet=none": ("unpaid_quiet", None),
    "unpaid.quiet=22:00-07:00": ("unpaid_quiet", (22 * H, 7 * H)),
    "attribution.order=chat,memo": ("attribution_order", ("chat", "memo")),
    "attribution.final_window=0": ("attribution_final_window_days", 0),
    "timezone=UTC": ("timezone", "UTC"),
}


@pytest.mark.parametrize("setting", [setting for setting in SETTINGS if setting != "headline=60"])
def test_any_field_can_be_set_from_the_command_line_and_the_tag_tells(setting: str) -> None:
    attribute, value = SETTINGS[setting]
    policy = with_settings(load("handbook"), [setting])
    assert getattr(policy, attribute) == value
    assert policy.tag.startswith("handbook@1+")
    untouched = {"changed", "tag", attribute, "long_wait"}
    before, after = attributes(load("handbook")), attributes(policy)
    assert {name for name in before if before[name] != after[name]} <= untouched


def test_different_settings_have_different_tags_and_the_same_settings_the_same() -> None:
    tags = [with_settings(load("handbook"), [setting]).tag for setting in SETTINGS]
    assert len(set(tags)) == len(tags)
    assert with_settings(load("handbook"), ["headline=60", "wait_ttl=none"]) == with_settings(
        with_settings(load("handbook"), ["wait_ttl=none"]), ["headline=1m"]
    )


def test_a_tag_of_changed_settings_is_the_same_in_every_process() -> None:
    setting = "effective.response=bot,template,human"
    code = f"from csstream.policy import *; print(with_settings(load('jd'), ['{setting}']).tag)"
    tags = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert tags == {with_settings(load("jd"), [setting]).tag}


def test_setting_what_is_already_so_changes_no_tag() -> None:
    assert with_settings(load("handbook"), []) is load("handbook")
    assert with_settings(load("handbook"), ["wait_ttl=48h", "headline=30"]) is load("handbook")
    there_and_back = with_settings(with_settings(load("jd"), ["headline=60s"]), ["headline=30s"])
    assert there_and_back.tag == "jd@1"


def test_of_two_settings_of_a_field_the_last_stands() -> None:
    assert with_settings(load("handbook"), ["wait_ttl=1h", "wait_ttl=2h"]).wait_ttl_ms == 2 * H


def test_a_policy_of_ones_own_keeps_its_name_when_it_is_changed(tmp_path: Path) -> None:
    mine = accepted('id = "mine"\nversion = 2\n', tmp_path)
    assert with_settings(mine, ["headline=60s"]).tag.startswith("mine@2+")


def test_all_wrong_settings_are_told_each_with_itself() -> None:
    wrong = [
        "log_wait=none",
        "wait_ttl=soon",
        "headline",
        "id=mine",
        "alert.levels=30s info,15s lost",
        "storm.waits=1e3",
    ]
    with pytest.raises(PolicyError) as caught:
        with_settings(load("handbook"), wrong)
    said = caught.value.problems
    assert [text.split(":")[0] for text in said] == [f"--set {setting}" for setting in wrong]
    assert "did you mean `long_wait`?" in said[0]
    assert '"soon"' in said[1]
    assert "FIELD=VALUE" in said[2]
    assert "`extends`" in said[3]
    assert "alert.levels[1].over must be > alert.levels[0].over" in said[4]
    assert "storm.waits must be a whole number" in said[5]


# ---------------------------------------------------------------------------------------- any file


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def as_file(shown: dict[str, object]) -> str:
    return "".join(f"{name} = {toml(value)}\n" for name, value in shown.items())


def duration(least: int = 1, unit: int = 1) -> st.SearchStrategy[object]:
    whole = st.integers(least, 3000 * 86_400 // unit)
    texts = st.tuples(st.integers(0, 999), st.integers(0, 99), st.integers(1, 9999)).map(
        lambda t: "{}d{}m{}s".format(*t)
    )
    return whole if unit > 1 else whole | texts


def some(known: tuple[str, ...], least: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(known), min_size=least, unique=True)


minutes = st.integers(0, 24 * 60 - 1)


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def rising(count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, 9_999_999), min_size=1, max_size=count, unique=True).map(sorted)


levels = st.tuples(rising(5), st.lists(st.integers(0, 4), min_size=5, max_size=5).map(sorted)).map(
    lambda pair: [{"over": s, "severity": SEVERITIES[at]} for s, at in zip(pair[0], pair[1], strict=False)]
)
stages = rising(4).map(
    lambda times: [
        {
            "after": f"{s}s",
            "channels": ["lost"] if s == times[-1] else [["chat"], ["sms"], ["sms", "chat"]][s % 3],
        }
        for s in times
    ]
)
VALUES: dict[str, st.SearchStrategy[object]] = {
    "id": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True).filter(
        lambda name: name not in profiles()
    ),
    "version": st.integers(1, 999),
    "valid_from": st.sampled_from(
        ["1970-01-01T00:00:00Z", "2026-11-21T00:00:00.123+08:00", "2040-02-29T23:59:59-03:30"]
    ),
    "timezone": st.sampled_from(["Asia/Shanghai", "UTC", "America/St_Johns"]),
    "effective.response": some(SENDERS, 1),
    "effective.reply_rate": some(SENDERS, 1),
    "effective.queue": some(SENDERS, 0),
    "long_wait": st.just("none")
    | st.fixed_dictionaries({"mode": st.sampled_from(["cap", "exclude"]), "over": duration()}),
    "hours": st.just("always")
    | st.tuples(minutes, st.integers(1, 1440))
    .filter(lambda t: t[0] < t[1])
    .map(lambda t: "-".join(map(clock, t))),
    "headline": st.sampled_from(BOUNDS_S),
    "session_gap": duration(),
    "alert.levels": levels,
    "alert.clear_ratio": st.integers(0, 9999).map(lambda n: n / 10_000),
    "alert.stale_after": duration(),
    "notify.settle": duration(0),
    "closing.words": st.lists(st.sampled_from(["好", "好的", "嗯", "ok", "bye", "👍"]), unique=True),
    "closing.alert": st.booleans(),
    "closing.in_response_time": st.booleans(),
    "closing.in_reply_rate": st.booleans(),
    "overload.open_waits": st.integers(1, 99),
    "overload.over_30": st.integers(1, 99),
    "overload.concurrent": st.integers(1, 99),
    "idle_online.wait": duration(),
    "idle_online.silent": duration(),
    "with_waits.over": duration(0),
    "midnight.at": st.lists(minutes, unique=True, max_size=4).map(
        lambda times: [clock(m) for m in sorted(times)]
    ),
    "feed_silent.over": st.just("none") | duration(),
    "reply_rate.target": st.integers(1, 100),
    "reply_rate.after": st.integers(1, 99),
    "reply_rate.settle": duration(0),
    "storm.over": duration(),
    "storm.waits": st.integers(1, 99),
    "storm.within": duration(),
    "unpaid.stages": stages,
    "unpaid.quiet": st.just("none")
    | st.tuples(minutes, minutes).filter(lambda t: t[0] != t[1]).map(lambda t: "-".join(map(clock, t))),
    "unpaid.max_per_24h": st.integers(1, 9),
    "unpaid.min_gap": duration(0),
    "unpaid.grace": duration(0),
    "unpaid.cod_contact": duration(),
    "attribution.order": some(("memo", "sku", "chat"), 1),
    "attribution.lookback": duration(),
    "attribution.final_window": duration(0, 86_400).map(lambda days: f"{days}d"),
    "attribution.reversal": duration(0),
    "attribution.aftersale": duration(0),
    "attribution.order_ttl": duration(),
    "lateness.horizon": duration(0),
    "wait_ttl": st.just("none") | duration(),
    "live.within": duration(),
}
NAMED = ("id", "version")
any_file = st.fixed_dictionaries(
    {name: VALUES[name] for name in NAMED},
    optional={name: value for name, value in VALUES.items() if name not in NAMED},
)


def test_every_field_is_tried() -> None:
    assert list(describe(load("handbook"))) == list(VALUES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("policies")


@settings(max_examples=150, deadline=None)
@given(given_fields=any_file, profile=st.sampled_from(["handbook", "tmall", "pdd"]))
def test_what_describe_shows_loads_as_the_same_policy(
    given_fields: dict[str, object], profile: str, folder: Path
) -> None:
    policy = accepted(f'extends = "{profile}"\n{as_file(given_fields)}', folder)
    shown = describe(policy)
    assert json.loads(json.dumps(shown)) == shown
    assert accepted(as_file(shown), folder) == policy
    untouched = {name: value for name, value in describe(load(profile)).items() if name not in given_fields}
    assert {name: shown[name] for name in untouched} == untouched


@settings(max_examples=100, deadline=None)
@given(
    given_fields=any_file,
    noise=st.lists(st.sampled_from(["", "# [x] = {", "#\t'''", '# """']), min_size=60, max_size=60),
    data=st.data(),
)
def test_the_line_of_a_mistake_is_right_whatever_stands_around_it(
    given_fields: dict[str, object], noise: list[str], data: st.DataObject, folder: Path
) -> None:
    broken = data.draw(st.sampled_from(sorted(given_fields)))
    lines: list[str] = []
    expected = 0
    for around, (name, value) in zip(noise, given_fields.items(), strict=False):
        lines += [
            around,
            f"{name} = {toml({'a': [1, {'b': ']'}]}) if name == broken else toml(value)} {around}",
        ]
        expected = len(lines) if name == broken else expected
    problems = refusal("\n".join(lines), folder)
    assert {problem.split(" ")[0] for problem in problems} == {f"policy.toml:{expected}:"}
    assert all(problem.split(" ")[1].startswith(broken) for problem in problems)


anything = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "none", "1s", "x y"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["over", "severity", "after", "channels", "mode", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from([*VALUES, "extends"]), value=anything)
def test_no_value_is_so_odd_that_it_is_not_either_taken_or_told(
    name: str, value: object, folder: Path
) -> None:
    told: tuple[str, ...] = ()
    try:
        policy = accepted(f"{name} = {toml(value)}\n", folder)
    except PolicyError as error:
        told = error.problems
    else:
        assert accepted(as_file(describe(policy)), folder) == policy
    assert all(text.startswith(f"{folder}/policy.toml:1: ") for text in told)


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(list(VALUES)),
    text=st.text(max_size=20) | st.text("0123456789:-+dhms ,chatlos", max_size=20),
)
def test_no_setting_is_so_odd_that_it_is_not_either_taken_or_told(name: str, text: str) -> None:
    setting = f"{name}={text}"
    told: tuple[str, ...] = ()
    try:
        policy = with_settings(load("handbook"), [setting])
    except PolicyError as error:
        told = error.problems
    else:
        assert with_settings(load("handbook"), [setting]) == policy
    assert all(line.startswith(f"--set {setting}: ") for line in told)
