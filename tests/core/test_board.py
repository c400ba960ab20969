"""The board says what /metrics says, changes only when something happened, and never holds chat text."""

import random
from typing import Any

import msgspec

from csstream.core import board
from csstream.core.board import BEGIN, CLOCK, Board
from csstream.core.engine import Engine
from csstream.core.rows import encode_key
from csstream.policy import load
from tests.laws.notation import at
from tests.wall.room import EVENING_MS, Room


def wait_key(customer: str) -> bytes:
    """The key of a customer's open wait."""
    return encode_key(("wait", "s", customer))


def read(document: bytes | None) -> dict[str, Any]:
    """A document that is there."""
    assert document is not None
    return msgspec.json.decode(document)  # type: ignore[no-any-return]


def test_the_figures_of_the_shop_and_of_each_agent_are_those_of_metrics() -> None:
    room = Room()
    room.evening()
    readings, documents = room.readings(), room.documents()
    agents = {key[2]: document for key, document in documents.items() if key[0] == "agent"}
    assert len(agents) >= 8
    for agent, document in agents.items():
        assert document["figures"]["open_waits"] == readings["open_waits", agent]
        oldest = document["figures"]["oldest_since_ms"]
        assert readings["oldest_wait_seconds", agent] == (
            0 if oldest is None else (EVENING_MS - oldest) / 1000
        )
    for prefix, labels, document in (
        ("day", (), documents["shop", "s01"]),
        *(("agent_day", (agent,), document) for agent, document in agents.items()),
    ):
        figures = document["figures"]
        assert figures["waits"] == readings.get((f"{prefix}_waits", *labels), 0)
        assert figures["within_30"] == readings.get((f"{prefix}_waits_within_30", *labels), 0)
        assert figures["consulted"] == readings.get((f"{prefix}_consulted", *labels), 0)
        assert figures["replied_any"] == readings.get((f"{prefix}_replied", *labels, "any"), 0)
        assert figures["replied_strict"] == readings.get((f"{prefix}_replied", *labels, "strict"), 0)
        assert figures["responses"] == readings.get((f"{prefix}_responses", *labels), 0)
        assert figures["mean_s"] == readings.get((f"{prefix}_response_mean_seconds", *labels))
        assert figures["p90_s"] == readings.get((f"{prefix}_response_p90_seconds", *labels))
    waits = [document for key, document in documents.items() if key[0] == "wait"]
    shop = documents["shop", "s01"]["figures"]
    assert len(waits) == shop["open_waits"] == sum(v for k, v in readings.items() if k[0] == "open_waits") > 0
    late = sum(EVENING_MS - wait["since_ms"] > 30_000 for wait in waits)
    assert late == sum(value for key, value in readings.items() if key[0] == "waits_over" and key[2] == "30")


def test_time_alone_changes_no_document() -> None:
    room = Room()
    room.evening()
    assert room.take((), EVENING_MS + 1_000) == {}
    assert set(room.take((), EVENING_MS + 2_000)) == {CLOCK}, "but for the clock, every two seconds"


def test_a_reply_ends_the_document_of_the_wait() -> None:
    room = Room()
    first = room.hears("10:00:00 c>A", until="10:00:05")
    assert next(iter(first)) == BEGIN, "who reads it forgets what was shown before"
    assert read(first[wait_key("c")])["since_ms"] == at("10:00:00")
    second = room.hears("10:00:07 A human #r", until="10:00:08")
    assert second[wait_key("c")] is None
    assert read(second[encode_key(("shop", "s"))])["figures"]["responses"] == 1


def test_a_courtesy_is_no_wait_that_anybody_must_answer() -> None:
    room = Room()
    room.hears("10:00:00 c>A | 谢谢", until="10:00:05")
    assert [key for key in room.documents() if key[0] == "wait"] == []
    assert room.documents()["shop", "s"]["figures"]["open_waits"] == 0


def test_a_wait_names_its_holders_and_its_messages_with_their_times_and_no_text() -> None:
    room = Room()
    changes = room.hears(
        "10:00:00 c>A #m1 | where is my secret parcel", "10:00:01 A auto #m2 | please hold on",
        "10:00:20 c>A #m3 | hello?", "10:00:30 transfer A>B", until="10:00:40",
    )  # fmt: skip
    wait = read(changes[wait_key("c")])
    assert wait["said"] == [
        ["m1", at("10:00:00"), "customer"],
        ["m2", at("10:00:01"), "auto"],
        ["m3", at("10:00:20"), "customer"],
    ]
    assert wait["messages"] == 2
    assert wait["agent"] == "B"
    assert [(leg["agent"], leg["from_ms"], leg["until_ms"]) for leg in wait["legs"]] == [
        ("A", at("10:00:00"), at("10:00:30")),
        ("B", at("10:00:30"), None),
    ]
    for text in (b"secret", b"hold", b"hello"):
        assert all(text not in (document or b"") for document in changes.values())


def test_an_agent_who_is_there_is_shown_and_one_who_went_without_work_is_not() -> None:
    room = Room()
    key = encode_key(("agent", "s", "A"))
    assert read(room.hears("09:00:00 presence A online", until="09:00:01")[key])["state"] == "online"
    assert room.hears("09:10:00 presence A offline #p2", until="09:10:01")[key] is None


def test_unpaid_orders_are_shown_by_the_last_stage_passed_and_not_at_all_where_there_are_none() -> None:
    room = Room()
    key = ("shop", "s")
    room.hears("10:00:00 c>A", "10:00:05 A human", until="10:00:06")
    assert room.documents()[key]["unpaid"] == []
    room.hears("10:01:00 order o1 created @c #1", "10:02:00 order o2 created @d #2", until="10:03:00")
    assert room.documents()[key]["unpaid"] == [["new", 2], ["12h", 0], ["24h", 0]]
    room.hears("10:04:00 order o2 paid @d #3", until="22:30:00")
    assert room.documents()[key]["unpaid"] == [["new", 0], ["12h", 1], ["24h", 0]]
    room.hears("22:31:00 order o1 paid @c #4", until="22:31:01")
    assert room.documents()[key]["unpaid"] == []


def test_of_a_storm_of_waits_the_oldest_are_listed_and_all_are_counted() -> None:
    room = Room()
    said = [f"10:{n // 60:02}:{n % 60:02} c>A @c{n:04}" for n in range(board.WAITS + 20)]
    room.hears(*said, until="10:30:00")
    listed = sorted(key[2] for key in room.documents() if key[0] == "wait")
    assert listed == [f"c{n:04}" for n in range(board.WAITS)]
    assert room.documents()["shop", "s"]["figures"]["open_waits"] == board.WAITS + 20


def test_the_changes_of_a_day_add_up_to_what_a_new_board_shows() -> None:
    room = Room()
    room.evening(2)
    chance = random.Random(7)
    now_ms = EVENING_MS
    for number in range(60):
        now_ms += chance.randrange(1, 9_000)
        customer, agent = f"c{chance.randrange(9)}", f"a{chance.randrange(3)}"
        event = {"id": f"x{number}", "ts": now_ms, "shop": "s01", "customer": customer, "agent": agent}
        said = chance.choice(["customer", "customer", "human", "auto", "transfer", "spam"])
        if said == "transfer":
            event |= {"type": "transfer", "to_agent": chance.choice([agent, None])}
        elif said == "spam":
            event |= {"type": "spam", "value": True}
        else:
            event |= {"type": "message", "sender": said}
        room.take([msgspec.json.encode(event)], now_ms)
        whole = Board().changes(room.engine, now_ms)
        fresh = {tuple(msgspec.json.decode(key)): document for key, document in whole.items()}
        shown = {key: msgspec.json.encode(document) for key, document in room.documents().items()}
        assert {k: v for k, v in shown.items() if k[0] != "clock"} == {
            k: v for k, v in fresh.items() if k[0] not in ("clock", "begin")
        }


def test_an_engine_that_goes_on_from_rows_shows_the_same_board() -> None:
    policy = load("handbook")
    room = Room(policy)
    room.evening(5)
    restored = Board().changes(Engine(policy, room.rows), EVENING_MS)
    before = Board().changes(room.engine, EVENING_MS)
    del restored[CLOCK], before[CLOCK]  # the newest event read is the process's, which is another now
    assert restored == before


def test_an_old_log_is_shown_by_its_own_clock() -> None:
    room = Room()
    shop = encode_key(("shop", "s"))
    assert read(room.hears("10:00:00 c>A", until="10:00:45")[shop])["stopped_ms"] is None
    changes = room.board.changes(room.engine, at("10:00:45") + 8 * 86_400_000)
    assert read(changes[shop])["stopped_ms"] == at("10:00:45"), "or its waits would be a week old"


def test_where_there_is_no_shop_nothing_is_said_every_two_seconds() -> None:
    board_of_none, engine = Board(), Engine(load("handbook"))
    assert set(board_of_none.changes(engine, 10_000)) == {BEGIN}
    assert board_of_none.changes(engine, 20_000) == {}
