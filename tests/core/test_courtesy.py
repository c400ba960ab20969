"""Closing courtesies: a thank-you that counts as a question makes good agents look slow (SPEC 4)."""

import pytest

from csstream.core.calendar import Calendar
from csstream.core.conversation import Rules
from csstream.events import Message
from tests.core.look import chosen, told


def courtesy(text: str | None, kind: str | None = "text", *settings: str) -> bool:
    """Whether the program takes a message for a closing courtesy."""
    policy = chosen(settings=settings)
    rules = Rules(policy, Calendar(policy.timezone))
    message = Message(id="m", ts=0, shop="s", customer="c", sender="customer", kind=kind, text=text)  # type: ignore[arg-type]
    return rules.courtesy(message)


@pytest.mark.parametrize(
    "text",
    [
        *("好", "好的", "好滴", "嗯", "嗯嗯", "谢谢", "多谢", "谢了", "ok", "知道了", "再见", "拜拜"),
        *("OK", "oK", "好的，谢谢！", "嗯嗯嗯嗯嗯", "好好好的的"[:3], "谢谢~", "谢谢～～", " 好 的 ", "好\t的\n"),
        *("好的\u3000谢谢", "「好的」", "——好的——", "好的\x00"),
        *("👌", "👌🏻", "👍🏿", "❤️", "👩‍💻", "好的👌🏽谢谢", "🙏🙏🙏", "Ⓐ"),
    ],
)  # fmt: skip
def test_words_of_courtesy_and_emoji_close(text: str) -> None:
    assert courtesy(text)


@pytest.mark.parametrize(
    "text",
    [
        *("在吗", "好的吗", "谢谢?", "谢谢？", "好?的", "👌?", "好的1", "okay", "不好", "谢", "拜", "知道"),
        *("", "   ", "...", "。。。", "～", "\n", "o k a", "1", "+", "好的$"),
        "嗯" * 60 + "x",
        "嗯" * 200 + "x",
    ],
)
def test_anything_else_is_a_question(text: str) -> None:
    assert not courtesy(text)


def test_a_message_without_text_is_no_courtesy() -> None:
    assert not courtesy(None)
    assert not courtesy(None, None)


def test_a_kind_that_is_not_said_is_text() -> None:
    assert courtesy("好的", None)


def test_an_emoji_message_is_a_courtesy_unless_it_asks() -> None:
    assert courtesy(None, "emoji")
    assert courtesy("任何话", "emoji")
    assert not courtesy("在?", "emoji")
    assert not courtesy("在？", "emoji")


@pytest.mark.parametrize("kind", ["image", "shake", "card", "file", "voice", "video"])
def test_other_kinds_are_never_courtesies(kind: str) -> None:
    assert not courtesy("谢谢", kind)


def test_a_very_long_courtesy_is_one_and_is_found_fast() -> None:
    assert courtesy("嗯" * 20_000)


def test_the_words_are_the_policys() -> None:
    words = "closing.words=Thanks,thx"
    assert courtesy("THANKS!", "text", words)
    assert courtesy("Thx. Thanks", "text", words)
    assert not courtesy("谢谢", "text", words)


def test_a_word_that_begins_another_does_not_hide_it() -> None:
    words = "closing.words=ab,abc,cd"
    assert courtesy("abcd", "text", words)  # ab + cd, though abc fits too
    assert courtesy("abccd", "text", words)
    assert not courtesy("abcc", "text", words)


def test_the_same_words_get_the_same_answer_when_asked_again() -> None:
    policy = chosen()
    rules = Rules(policy, Calendar(policy.timezone))

    def ask(text: str) -> bool:
        return rules.courtesy(Message(id="m", ts=0, shop="s", customer="c", sender="customer", text=text))

    first = [ask(text) for text in ("谢谢", "在吗", "谢谢", "在吗")]
    for number in range(10_100):
        ask(f"问{number}")
    assert [*first, ask("谢谢"), ask("在吗")] == [True, False] * 3


# ---- what a courtesy counts in ------------------------------------------------------------------------------

THANKS = ("10:00:00 c>A", ":05 A human", "10:05:00 c>A | 谢谢", ":40 A human")


def test_a_courtesy_counts_in_the_reply_rate_and_in_no_time() -> None:
    row = told(*THANKS).shop()
    assert (row["responses_ms"], row["waits"], row["consulted"], row["replied_strict"]) == ([5_000], 1, 1, 1)
    assert told(*THANKS).agent("A")["responses_ms"] == [5_000]


def test_a_platform_can_count_courtesies_in_the_response_time() -> None:
    seen = told(*THANKS, settings=("closing.in_response_time=true",))
    assert seen.shop()["responses_ms"] == [5_000, 40_000]
    assert seen.agent("A")["responses_ms"] == [5_000, 40_000]
    assert (seen.shop()["waits"], seen.agent("A")["waits"], seen.shop()["receptions"]) == (1, 1, 1)


def test_a_courtesy_raises_a_level_only_where_the_policy_says_so() -> None:
    assert told(*THANKS).levels() == []
    assert told(*THANKS, settings=("closing.alert=true",)).levels() == [(15, "A"), (30, "A")]


def test_courtesies_can_be_left_out_of_the_reply_rate() -> None:
    lines = ("10:00:00 c>A", ":05 A human", "10:05:00 c>A | 谢谢")
    out = ("closing.in_reply_rate=false",)
    assert told(*lines).consult() == told(*lines).consult("A") == (True, False)
    assert told(*lines, settings=out).consult() == (True, True)
    assert told(*lines, settings=out).consult("A") == (True, True)
    alone = told("10:00:00 c>A | 谢谢", settings=out)
    assert alone.consult() is None
    assert alone.consult("A") is None


def test_a_courtesy_holds_no_session_open() -> None:
    seen = told(
        "10:00:00 c>A",
        ":05 A human",
        "10:05:00 c>A | 谢谢",
        "10:16:00 A human",
        "10:16:10 c>A",
        ":20 A human",
    )
    assert [r["session"] for r in seen.audit.receptions if r["agent"] is None] == [
        told("10:00:00 c").wait["since"],
        told("10:16:00 c").wait["since"],
    ]


def test_a_courtesy_handed_over_or_left_is_nobodys_fault() -> None:
    seen = told(*THANKS[:3], ":10 transfer A>B", ":20 session close customer")
    assert seen.legs() == [("A", 10, "transferred_unanswered"), ("B", 10, "moot")]
    assert (seen.shop()["transferred_unanswered"], seen.agent("A")["transferred_unanswered"]) == (0, 0)
    assert (seen.consult(), seen.consult("A")) == ((True, True), (True, True))
