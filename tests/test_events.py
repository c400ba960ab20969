"""Decoding (SPEC 1): one bad record must never stop the stream, pass for a good one, or show what a customer wrote."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from csstream import events
from csstream.core.canon import canonical
from csstream.events import (
    LAST_TS_MS,
    MAX_BYTES,
    MAX_TS_MS,
    TYPES,
    Event,
    Message,
    Reject,
    content,
    decode,
    decode_many,
)

AT = 1_795_226_400_123
"""2026-11-21 10:00:00.123 at +08:00."""

COMMON = {"v": 1, "id": "e1", "ts": AT, "shop": "s"}
CHAT = COMMON | {"customer": "c"}

FULL: dict[str, dict[str, Any]] = {
    "message": CHAT
    | {"type": "message", "agent": "A", "sender": "human", "kind": "card", "text": "您好", "internal": True}
    | {"sku": "k1", "quick_reply": "q1"},
    "transfer": CHAT
    | {"type": "transfer", "agent": "A", "from_agent": "A", "to_agent": "B", "reason": "divert", "authorised": False},
    "session": CHAT | {"type": "session", "agent": "A", "action": "window_closed", "by": "system"},
    "spam": CHAT | {"type": "spam", "agent": None, "value": True, "message": "m1", "by": "A"},
    "dun": CHAT | {"type": "dun", "agent": "A", "order": "o1", "channel": "sms", "script": "催一"},
    "rating": CHAT | {"type": "rating", "agent": "A", "score": 5},
    "complaint": CHAT
    | {"type": "complaint", "agent": "A", "complaint": "k", "status": "confirmed", "reason": "quarrel"},
    "order": CHAT
    | {"type": "order", "agent": None, "order": "o1", "status": "created", "amount": "19.90", "cod": True}
    | {"items": [{"sku": "k1", "qty": 2}, {"sku": "k2", "qty": 0}], "pay_deadline": AT + 1, "memo": "2号", "flag": "red"},
    "presence": COMMON | {"type": "presence", "agent": "A", "state": "hung", "capacity": 8},
    "shift": COMMON
    | {"type": "shift", "agent": "A", "shift": "早", "start": AT, "end": AT + 1, "group": "g", "duty": True},
    "profile": COMMON
    | {"type": "profile", "agent": "A", "number": "02", "name": "小李", "group": "g", "tenure": "new", "valid_from": AT},
}  # fmt: skip
"""An event of each type with all its fields."""

REQUIRED = {
    "message": {"id", "ts", "shop", "customer", "sender", "agent"},
    "transfer": {"id", "ts", "shop", "customer", "to_agent"},
    "session": {"id", "ts", "shop", "customer", "action", "by"},
    "spam": {"id", "ts", "shop", "customer", "value"},
    "dun": {"id", "ts", "shop", "customer", "order", "channel"},
    "rating": {"id", "ts", "shop", "customer", "agent", "score"},
    "complaint": {"id", "ts", "shop", "customer", "complaint", "status"},
    "order": {"id", "ts", "shop", "customer", "order", "status"},
    "presence": {"id", "ts", "shop", "agent", "state"},
    "shift": {"id", "ts", "shop", "agent", "shift", "start", "end"},
    "profile": {"id", "ts", "shop", "agent"},
}

QUESTION = CHAT | {"type": "message", "sender": "customer"}


def wire(event: Any) -> bytes:
    """As a producer would send it."""
    return json.dumps(event, ensure_ascii=False).encode()


def accepted(event: Any) -> Event:
    """The event, which must be good."""
    found = decode(wire(event))
    assert not isinstance(found, Reject), found
    return found


def refused(data: Any) -> Reject:
    """Why it is refused, which it must be."""
    found = decode(data if isinstance(data, bytes) else wire(data))
    assert isinstance(found, Reject), found
    return found


def reason(data: Any) -> str:
    """The reason for which it is refused."""
    return refused(data).reason


# ---- what is accepted -------------------------------------------------------------------------------------------


def test_every_type_of_the_contract_is_known() -> None:
    assert set(TYPES) == set(FULL) == set(REQUIRED)
    assert {cls for classes in events.TOPICS.values() for cls in classes} == set(TYPES.values())


@pytest.mark.parametrize("kind", sorted(FULL))
def test_every_field_of_a_type_arrives(kind: str) -> None:
    event = accepted(FULL[kind])
    assert type(event) is TYPES[kind]
    fields = {field.encode_name for field in msgspec.structs.fields(type(event))}
    assert fields == set(FULL[kind]) - {"type"}
    plain = msgspec.json.decode(content(event))
    assert plain == FULL[kind]


@pytest.mark.parametrize("kind", sorted(FULL))
def test_what_is_optional_may_be_left_out(kind: str) -> None:
    bare = {name: value for name, value in FULL[kind].items() if name in REQUIRED[kind] | {"type"}}
    event = accepted(bare)
    assert decode(content(event)) == event


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind in sorted(REQUIRED) for field in sorted(REQUIRED[kind])]
)
def test_what_is_required_is_missed_by_name(kind: str, field: str) -> None:
    event = {name: value for name, value in FULL[kind].items() if name != field}
    assert reason(event) == f"missing:{field}"


@pytest.mark.parametrize(
    ("kind", "field"),
    [(kind, field) for kind in sorted(FULL) for field in sorted(set(FULL[kind]) - {"type", "v"})],
)
def test_a_field_of_the_wrong_type_is_bad_by_name(kind: str, field: str) -> None:
    wrongs: tuple[object, ...] = ({"a": 1}, [[]])
    for wrong in wrongs:
        assert reason(FULL[kind] | {field: wrong}) == f"bad:{field}"


@pytest.mark.parametrize(
    ("kind", "field", "values"),
    [
        ("message", "sender", ("customer", "human", "assist_bot", "bot", "auto", "template", "system")),
        ("message", "kind", ("text", "image", "emoji", "shake", "card", "file", "voice", "video")),
        ("transfer", "reason", ("manual", "divert", "hang", "offline", "shift_end", "timeout")),
        ("session", "action", ("open", "close", "window_closed")),
        ("session", "by", ("customer", "agent", "system")),
        ("dun", "channel", ("chat", "sms", "phone")),
        ("complaint", "status", ("opened", "confirmed", "withdrawn")),
        ("complaint", "reason", ("service", "quarrel", "other")),
        ("order", "status", (
            "created", "paid", "closed", "cancelled", "refund_requested", "refunded", "shipped", "memo",
        )),
        ("presence", "state", ("online", "hung", "away", "offline")),
        ("rating", "score", (1, 2, 3, 4, 5)),
    ],
)  # fmt: skip
def test_the_words_of_the_contract_are_accepted_and_no_others(
    kind: str, field: str, values: tuple[object, ...]
) -> None:
    for value in values:
        assert getattr(accepted(FULL[kind] | {field: value}), field) == value
    for other in ("", "CUSTOMER", "text ", 0, 6, True, 1.5):
        assert reason(FULL[kind] | {field: other}) == f"bad:{field}"


def test_unknown_fields_are_ignored() -> None:
    assert accepted(QUESTION | {"colour": {"deep": [1]}, "": None}) == accepted(QUESTION)


def test_a_presence_may_name_anything_as_customer() -> None:
    assert accepted(FULL["presence"] | {"customer": 7}) == accepted(FULL["presence"])


def test_an_agent_of_null_is_the_queue_and_an_absent_one_is_unknown() -> None:
    queue, unknown = accepted(QUESTION | {"agent": None}), accepted(QUESTION)
    assert (queue.agent, unknown.agent) == (None, UNSET)
    assert queue != unknown
    assert content(queue) != content(unknown)


@pytest.mark.parametrize("sender", ["human", "assist_bot"])
def test_a_person_who_writes_is_named(sender: str) -> None:
    assert reason(QUESTION | {"sender": sender}) == "missing:agent"
    assert reason(QUESTION | {"sender": sender, "agent": None}) == "bad:agent"
    assert accepted(QUESTION | {"sender": sender, "agent": "A"}).agent == "A"


@pytest.mark.parametrize("sender", ["bot", "auto", "template", "system"])
def test_a_machine_that_writes_need_not_be_named(sender: str) -> None:
    assert accepted(QUESTION | {"sender": sender}).agent is UNSET
    assert accepted(QUESTION | {"sender": sender, "agent": None}).agent is None


def test_an_absent_version_is_the_first() -> None:
    event = {name: value for name, value in QUESTION.items() if name != "v"}
    assert accepted(event) == accepted(QUESTION)


# ---- times ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("2026-11-21T10:00:00.123+08:00", AT),
        ("2026-11-21T02:00:00.123Z", AT),
        ("2026-11-20T21:00:00.123-05:00", AT),
        ("2026-11-21T07:30:00.123+05:30", AT),
        ("2026-11-21t02:00:00.123z", AT),
        ("2026-11-21 02:00:00.123Z", AT),
        ("2026-11-21T02:00:00.123999Z", AT),
        ("2026-11-21T02:00:00.1239999999Z", AT),
        ("2026-11-21T02:00:00.1Z", AT - 23),
        ("2026-11-21T02:00:00Z", AT - 123),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("9899-12-31T23:59:59.999Z", LAST_TS_MS),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
    ],
)
def test_both_forms_of_a_time_are_the_same_instant(written: str, ms: int) -> None:
    for kind, field in (
        ("message", "ts"),
        ("order", "pay_deadline"),
        ("shift", "end"),
        ("profile", "valid_from"),
    ):
        event = FULL[kind] | ({"start": 0} if kind == "shift" else {})
        assert getattr(accepted(event | {field: written}), field) == ms
        assert accepted(event | {field: written}) == accepted(event | {field: ms})


@pytest.mark.parametrize(
    "wrong",
    [
        *("2026-11-21T10:00:00", "2026-11-21", "10:00:00+08:00", "2026-11-21T10:00+08:00", "", "now", "0", str(AT)),
        *("2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T23:59:60Z"),
        *("2026-11-21T10:00:00+24:00", "2026-11-21T10:00:00+0800", "2026-11-21T10:00:00+08", "2026-11-21T10:00:00,1Z"),
        *("1969-12-31T23:59:59.999Z", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+23:59", "02026-11-21T10:00:00Z"),
        *("２０２６-11-21T10:00:00Z", "2026-11-21T10:00:00Z\n", " 2026-11-21T10:00:00Z", "2026-11-21T10:00:00.Z"),
        *(-1, MAX_TS_MS + 1, 1.5, float(AT), 1e3, True, None, 10**30, 2**63, -(2**63) - 1, {}, [], [AT]),
    ],
)  # fmt: skip
def test_what_is_no_instant_is_refused(wrong: object) -> None:
    assert reason(QUESTION | {"ts": wrong}) == "bad:ts"
    assert "+08:00" in refused(QUESTION | {"ts": wrong}).error  # the way out
    if wrong is not None:
        assert reason(FULL["order"] | {"pay_deadline": wrong}) == "bad:pay_deadline"


@pytest.mark.parametrize("never", ["9999-12-31T23:59:59.999Z", MAX_TS_MS, LAST_TS_MS + 1])
def test_never_as_databases_write_it_may_end_something_and_is_no_time_at_which_it_happens(
    never: object,
) -> None:
    """Nothing can be counted on from the last days of the calendar: such an event would end the run."""
    for kind, field in (("message", "ts"), ("order", "ts"), ("shift", "start")):
        event = FULL[kind] | ({"end": never} if kind == "shift" else {})
        assert reason(event | {field: never}) == f"bad:{field}"
    for kind, field in (("order", "pay_deadline"), ("shift", "end"), ("profile", "valid_from")):
        assert getattr(accepted(FULL[kind] | {field: never}), field) in (MAX_TS_MS, LAST_TS_MS + 1)


def test_written_times_are_exact() -> None:
    random = Random(11)
    for _ in range(300):
        ms = random.randrange(LAST_TS_MS)
        moment = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
        assert accepted(QUESTION | {"ts": moment.isoformat(timespec="milliseconds")}).ts == ms


def test_a_shift_cannot_end_before_it_starts() -> None:
    assert reason(FULL["shift"] | {"start": AT, "end": AT - 1}) == "bad:end"
    assert reason(FULL["shift"] | {"start": AT, "end": "1970-01-01T00:00:00Z"}) == "bad:end"
    accepted(FULL["shift"] | {"start": AT, "end": AT})


# ---- money ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "amount"),
    [(b'"19.90"', "19.90"), (b"19.90", "19.90"), (b"0", "0"), (b"1e2", "100"), (b'"0.005"', "0.005"),
     (b"999999999999.99", "999999999999.99"), (b"0.1", "0.1"), (b"0.30000000000000000004", "0.30000000000000000004")],
)  # fmt: skip
def test_money_is_exact_however_it_is_written(written: bytes, amount: str) -> None:
    event = decode(wire(FULL["order"]).replace(b'"19.90"', written))
    assert isinstance(event, events.Order)
    assert event.amount == Decimal(amount)


@pytest.mark.parametrize(
    "written",
    [
        *(
            b'"-0.01"',
            b"-1",
            b"1000000000000",
            b'"1E+12"',
            b'"NaN"',
            b'"sNaN"',
            b'"Infinity"',
            b"1e400",
            b"9" * 400,
        ),
        *(
            b'""',
            b'"abc"',
            b'"19,90"',
            b'"\xc2\xa519.90"',
            b"true",
            b"[]",
            b"{}",
            b'"1E+999999"',
            b'"' + b"9" * 5000 + b'"',
        ),
        *(b'"1E+9999999"', b"1e9999999", b'"1E+999999999999999999"', b'"1E+9999999999999999999999"'),
    ],
    ids=lambda written: str(written[:30]),
)
def test_what_is_no_amount_is_refused(written: bytes) -> None:
    assert reason(wire(FULL["order"]).replace(b'"19.90"', written)) == "bad:amount"


# ---- limits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *(("message", f) for f in ("id", "shop", "customer", "agent", "sku", "quick_reply")),
        *(("transfer", "to_agent"), ("transfer", "from_agent"), ("spam", "message"), ("dun", "order")),
        *(("complaint", "complaint"), ("order", "order"), ("shift", "shift"), ("presence", "agent")),
    ],
)
@pytest.mark.parametrize("character", ["a", "字", "😀"])
def test_a_name_has_1_to_128_characters(kind: str, field: str, character: str) -> None:
    assert getattr(accepted(FULL[kind] | {field: character * 128}), field) == character * 128
    accepted(FULL[kind] | {field: character})
    assert reason(FULL[kind] | {field: character * 129}) == f"bad:{field}"
    assert reason(FULL[kind] | {field: ""}) == f"bad:{field}"


def test_the_names_inside_an_order_are_bounded_too() -> None:
    accepted(FULL["order"] | {"items": [{"sku": "k" * 128}]})
    assert reason(FULL["order"] | {"items": [{"sku": "k" * 129}]}) == "bad:items"
    assert reason(FULL["order"] | {"items": [{"sku": "k", "qty": -1}]}) == "bad:items"
    assert reason(FULL["order"] | {"items": [{}]}) == "bad:items"


def test_a_record_of_one_mebibyte_is_the_largest() -> None:
    room = MAX_BYTES - len(wire(QUESTION | {"text": ""}))
    largest = wire(QUESTION | {"text": "x" * room})
    assert len(largest) == 1 << 20
    assert isinstance(decode(largest), Message)
    assert reason(largest + b" ") == "too_large"
    assert reason(b"[" * (MAX_BYTES + 1)) == "too_large"


# ---- every other reason by name -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "not_json"),
        (b"   ", "not_json"),
        (b"{", "not_json"),
        (b"{}{}", "not_json"),
        (b"NaN", "not_json"),
        (b'{"id":NaN}', "not_json"),
        (b"{'id':1}", "not_json"),
        (b'{"id":"\xff"}', "not_json"),
        (b'{"id":"\xed\xa0\x80"}', "not_json"),
        (b'{"id":"\\ud800"}', "not_json"),
        (b'{"id":"a\x00"}', "not_json"),
        (b"\xef\xbb\xbf{}", "not_json"),
        ("{}".encode("utf-16"), "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"[" * 100_000 + b"]" * 100_000, "not_json"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not_json"),
        (b"null", "not_object"),
        (b"[]", "not_object"),
        (b'"x"', "not_object"),
        (b"1", "not_object"),
        (b"1.5", "not_object"),
        (b"true", "not_object"),
        (b"{}", "missing:type"),
        (b'{"type":null}', "bad:type"),
        (b'{"type":5}', "bad:type"),
        (b'{"type":"Message"}', "unknown_type"),
        (b'{"type":""}', "unknown_type"),
        (b'{"v":2}', "unsupported_version"),
        (b'{"v":2,"type":"unheard of"}', "unsupported_version"),
        (b'{"v":99999999999999999999999}', "unsupported_version"),
    ],
    ids=lambda value: str(value[:40]),
)
def test_each_fault_has_its_name(data: bytes, expected: str) -> None:
    found = refused(data)
    assert found.reason == expected
    assert found.error


@pytest.mark.parametrize("version", [0, -1, 1.0, True, None, "1", [1]])
def test_what_is_no_version_is_bad(version: object) -> None:
    assert reason(QUESTION | {"v": version}) == "bad:v"


def test_a_deep_field_that_nobody_reads_is_refused_and_breaks_nothing() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    assert reason(wire(QUESTION)[:-1] + b',"x":' + deep + b"}") == "not_json"
    assert isinstance(decode(wire(QUESTION)), Message)


def test_of_a_key_given_twice_the_last_stands() -> None:
    found = decode(wire(QUESTION)[:-1] + b',"id":"later"}')
    assert isinstance(found, Message)
    assert found.id == "later"
    assert reason(wire(QUESTION)[:-1] + b',"v":2}') == "unsupported_version"


def test_errors_say_the_field_and_stay_short() -> None:
    for data in (
        QUESTION | {"id": "字" * 100_000},
        QUESTION | {"ts": "x" * 100_000},
        QUESTION | {"ts": 10**4000},
        QUESTION | {"v": 10**4000},
        QUESTION | {"type": "x" * 100_000},
        FULL["order"] | {"amount": "9" * 100_000},
        FULL["order"] | {"items": ["x" * 100_000]},
    ):
        assert len(refused(data).error) < 400
    assert "`shop`" in refused({**QUESTION, "shop": ""}).error


def test_the_place_among_others_follows_time_then_rank_then_id() -> None:
    def place(**fields: Any) -> tuple[int, int, str]:
        return canonical(accepted(QUESTION | fields))

    question, reply = place(id="z"), place(id="a", sender="bot")
    order, transfer, session, spam = (
        canonical(accepted(FULL[kind])) for kind in ("order", "transfer", "session", "spam")
    )
    assert sorted([spam, session, transfer, order, reply, question]) == [
        question, reply, order, transfer, session, spam,
    ]  # fmt: skip
    assert place(ts=AT - 1, id="zz", sender="bot") < question
    assert place(id="a") < place(id="b")


# ---- anything at all ------------------------------------------------------------------------------------------

SECRET = "身份证号SECRET-310101"

WEIRD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**30, 10**4000, 1.5, 1e308, -0.0, "", "x", "字" * 200, "\x00\x1f\x7f",
    "\u202e", "\ufeff", "2026-11-21T10:00:00Z", "2026-11-21T99:00:00Z", "NaN", "1E+9999999", "1E-9999999", "sNaN", "-1",
    [], {}, [[]], {"sku": "k"}, [{"sku": "k"}], [{"sku": "k", "qty": 2**70}], [None], "A" * 128, "A" * 129,
)  # fmt: skip

NAMES = sorted({name for event in FULL.values() for name in event} | {"type", "unknown"})

PIECES = (
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\\ud800", b"\\udc00\\ud800", b"\xff", b"\xed\xa0\x80", b"\x00",
    b"\xc0\x80", b"NaN", b"Infinity", b"-", b"1e999999999", b"9" * 400, b"null", b"true", b" ", b"\n", b"\xef\xbb\xbf", b"/*",
)  # fmt: skip


def judge(data: bytes) -> Event | Reject:
    """What any bytes must hold to: an event that says itself again, or a reject with a reason."""
    found = decode(data)
    if isinstance(found, Reject):
        name, _, field = found.reason.partition(":")
        assert name in {
            "not_json", "not_object", "missing", "bad", "unknown_type", "unsupported_version", "too_large",
        }  # fmt: skip
        assert bool(field) == (name in {"missing", "bad"})
        assert found.error
    else:
        assert type(found) in TYPES.values()
        assert type(found.ts) is int
        assert decode(content(found)) == found
        assert canonical(found)[2] == found.id
    return found


@st.composite
def odd_objects(draw: st.DrawFn) -> bytes:
    """A valid event of any type with some fields replaced, left out or added, and maybe a key twice."""
    event = dict(FULL[draw(st.sampled_from(sorted(FULL)))])
    for _ in range(draw(st.integers(0, 3))):
        name = draw(
            st.sampled_from(sorted(event)) if draw(st.integers(0, 4)) and event else st.sampled_from(NAMES)
        )
        if draw(st.integers(0, 3)):
            event[name] = draw(st.sampled_from(WEIRD))
        else:
            event.pop(name, None)
    data = json.dumps(event, ensure_ascii=draw(st.booleans())).encode()
    if draw(st.booleans()):
        name, value = draw(st.sampled_from(NAMES)), draw(st.sampled_from(WEIRD))
        data = data[:-1] + b"," + json.dumps(name).encode() + b":" + json.dumps(value).encode() + b"}"
    return data


@st.composite
def torn_bytes(draw: st.DrawFn) -> bytes:
    """A valid event cut short, with bytes replaced, taken out or put in."""
    data = wire(FULL[draw(st.sampled_from(sorted(FULL)))])
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.sampled_from(PIECES)) + data[at + draw(st.integers(0, 3)) :]
    if draw(st.integers(0, 3)) == 0:
        data = data[: draw(st.integers(0, len(data)))]
    return data


FREELY = settings(deadline=None, database=None)


@given(odd_objects())
@settings(FREELY, max_examples=2_500)
def test_an_event_with_odd_fields_is_an_event_or_a_reject(data: bytes) -> None:
    judge(data)


@given(torn_bytes())
@settings(FREELY, max_examples=2_000)
def test_torn_bytes_are_an_event_or_a_reject(data: bytes) -> None:
    judge(data)


def test_every_field_survives_every_odd_value() -> None:
    number = 0
    for event in FULL.values():
        for name in (*event, "unknown"):
            for odd in WEIRD:
                judge(wire(event | {name: odd}))
                number += 1
    assert number > 4_000


@pytest.mark.parametrize(
    "records",
    [
        [b"AB", b"C", b""],  # two files put together, the first without an end of line, and a blank line
        [b"", b"AB"],
        [b"AB", b" \t"],
        [b"A", b"B C", b"\r", b"B"],
        [b"A\nB", b""],
    ],
)
def test_a_record_of_two_events_takes_no_other_records_place(records: list[bytes]) -> None:
    """Many records are decoded in one call: each must come out as it does alone."""
    for name in "ABC":
        event = wire(QUESTION | {"id": name, "agent": "a"})
        records = [record.replace(name.encode(), event) for record in records]
    assert list(decode_many(records)) == [decode(record) for record in records]


def test_thousands_of_torn_records_are_events_or_rejects() -> None:
    random = Random(20_261_121)
    good = 0
    for _ in range(5_000):
        data = wire(random.choice(list(FULL.values())))
        at = random.randrange(len(data) + 1)
        data = data[:at] + random.choice(PIECES) + data[at + random.randrange(4) :]
        if random.random() < 0.1:
            data = data[: random.randrange(len(data) + 1)]
        good += not isinstance(judge(data), Reject)
    assert 100 < good < 4_900


@given(st.binary(max_size=200))
@settings(FREELY, max_examples=1_000)
def test_any_bytes_are_an_event_or_a_reject(data: bytes) -> None:
    judge(data)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: (
    st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=8)
), max_leaves=20))  # fmt: skip
@settings(FREELY, max_examples=300)
def test_any_json_is_an_event_or_a_reject(value: object) -> None:
    judge(json.dumps(value).encode())


@given(
    kind=st.sampled_from(["message", "order"]),
    secret=st.sampled_from([SECRET, [SECRET], {"a": SECRET}, {SECRET: 1}, [[{"b": [SECRET]}]]]),
    name=st.sampled_from(sorted(set(NAMES) - {"text", "memo"})),
    odd=st.sampled_from(WEIRD),
    ascii_only=st.booleans(),
)
@settings(FREELY, max_examples=500)
def test_a_reject_never_shows_what_was_written(
    kind: str, secret: object, name: str, odd: object, ascii_only: bool
) -> None:
    event = FULL[kind] | {"text": secret, "memo": secret, name: odd}
    found = judge(json.dumps(event, ensure_ascii=ascii_only).encode())
    if isinstance(found, Reject):
        shown = found.reason + found.error
        assert "SECRET" not in shown
        assert "310101" not in shown
        assert "\\u8eab" not in shown
