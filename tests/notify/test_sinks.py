"""What each service is sent, and when it has really said yes (FIELD_NOTES C5's formats)."""

import asyncio
import email
import email.policy
import hashlib
import hmac
import io
import socket
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import pytest

from csstream.core.alert import Alert
from csstream.core.orders.account import STATUSES
from csstream.notify.message import Answer, Message
from csstream.notify.secret import Secret
from csstream.notify.sinks import KINDS, Settings
from csstream.notify.sinks.alertmanager import Alertmanager
from csstream.notify.sinks.dingtalk import DingTalk
from csstream.notify.sinks.dingtalk import signature as dingtalk_signature
from csstream.notify.sinks.feishu import Feishu
from csstream.notify.sinks.feishu import signature as feishu_signature
from csstream.notify.sinks.mail import Mail
from csstream.notify.sinks.slack import Slack
from csstream.notify.sinks.webhook import Webhook
from csstream.notify.sinks.wecom import WeCom
from csstream.notify.wording import Voice, text_of
from tests.canary import MARK
from tests.notify.days import T, ended, level
from tests.notify.service import BEHAVIOURS, Service

HTTP = {"webhook": Webhook, "dingtalk": DingTalk, "wecom": WeCom, "feishu": Feishu, "slack": Slack,
        "alertmanager": Alertmanager}  # fmt: skip
CODED = ("dingtalk", "wecom", "feishu")
EVIL = (
    "@all <@U1> <!channel> [x](https://evil.example) **b** `c` # h\n> q ~~s~~ | \u202egnp\u200b \x1b[31m "
    'javascript:alert(1) http://evil.example www.evil.example <at user_id="all"></at> <script>'
)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A service that listens."""
    async with Service() as service:
        yield service


def settings(service: Service | None = None, url: str = "", **fields: Any) -> Settings:
    """Settings of a sink in the own network."""
    given: dict[str, Any] = {
        "voice": Voice(language="en"),
        "allow_private": True,
        "timeout_s": 2.0,
        "secrets": {"url": Secret(url or (service.url if service else ""))},
    }
    return Settings("ops", **(given | fields))


def firing(one: Alert | None = None, **fields: Any) -> Message:
    """A message about one alert."""
    one = one or level("w", 30)
    return Message("0123456789", "firing", T + 31_000, one.severity, [one], **fields)


async def send(kind: str, to: Settings, message: Message | None = None) -> Answer:
    """Send one message by a sink of this kind."""
    sink = KINDS[kind].make(to)
    try:
        return await sink.send(message or firing())
    finally:
        await sink.close()


# ---- yes, no, and nobody knows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", HTTP)
async def test_a_message_that_was_taken_is_known_to_be_taken(kind: str, service: Service) -> None:
    service.script = ["slack_ok" if kind == "slack" else "ok"]
    assert (await send(kind, settings(service))).ok


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize("name", ["500", "404", "429", "429_date", "302"])
async def test_a_clear_no_is_a_no(kind: str, name: str, service: Service) -> None:
    service.script = [name]
    answer = await send(kind, settings(service))
    assert (answer.ok, answer.maybe) == (False, False)
    assert f"HTTP {name[:3]}" in answer.said
    assert len(service.requests) == 1  # no redirect was followed


@pytest.mark.parametrize("kind", CODED)
@pytest.mark.parametrize("name", ["errcode", "too_fast", "html", "list"])
async def test_a_no_in_the_body_is_a_no_although_http_says_200(
    kind: str, name: str, service: Service
) -> None:
    service.script = [name]
    answer = await send(kind, settings(service))
    assert (answer.ok, answer.maybe) == (False, False)
    assert (answer.retry_after_ms >= 60_000) is (name == "too_fast" and kind != "wecom")


async def test_slack_says_yes_by_its_body_alone(service: Service) -> None:
    service.script = ["html"]
    assert not (await send("slack", settings(service))).ok


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize("name", ["half", "hang_up", "502", "time_out"])
async def test_where_nobody_knows_it_says_so(kind: str, name: str, service: Service) -> None:
    service.script = [name]
    answer = await send(kind, settings(service, timeout_s=0.4))
    assert (answer.ok, answer.maybe) == (False, True)


@pytest.mark.parametrize("kind", HTTP)
async def test_what_never_got_there_is_surely_not_taken(kind: str) -> None:
    async with Service() as gone:
        url = gone.url
    answer = await send(kind, settings(url=url))
    assert (answer.ok, answer.maybe) == (False, False)


async def test_a_pause_that_is_asked_for_is_passed_on(service: Service) -> None:
    service.script = ["429", "429_date"]
    assert (await send("webhook", settings(service))).retry_after_ms == 1_000
    assert (await send("webhook", settings(service))).retry_after_ms > 10**9


async def test_a_slow_answer_is_waited_for(service: Service) -> None:
    service.script = ["slow"]
    assert (await send("dingtalk", settings(service))).ok


async def test_plain_http_on_a_tls_port_and_no_known_name_are_clear_noes(service: Service) -> None:
    for url in (service.url.replace("http:", "https:"), "https://nowhere.invalid/hook"):
        answer = await send("webhook", settings(url=url))
        assert (answer.ok, answer.maybe) == (False, False), url


# ---- forms --------------------------------------------------------------------------------------------------------


def test_the_signatures_are_those_of_the_services() -> None:
    assert dingtalk_signature(Secret("SECdemo"), 1_700_000_000_000) == (
        "lOvVf9TQCVugV68mGbSZCg0gzOl1SVjxWi1MyVZCUuA%3D"
    )
    assert feishu_signature(Secret("demo"), 1_700_000_000) == "8oT2n3SMKFfEnDoiwer8BUM/SjKLwe9SqoEIHlhDTKo="


async def test_dingtalk_gets_markdown_and_a_fresh_signature_in_the_url(service: Service) -> None:
    secrets = {"url": Secret(service.url + "?access_token=T"), "secret": Secret("SECdemo")}
    await send("dingtalk", settings(secrets=secrets, texts={"keyword": "客服"}))
    (request,) = service.requests
    assert request.path.startswith("/hook?access_token=T&timestamp=")
    stamp = int(request.path.split("timestamp=")[1].split("&")[0])
    sign = dingtalk_signature(Secret("SECdemo"), stamp)
    assert unquote(request.path).endswith("&sign=" + unquote(sign)), "a slash may stand as it is in a query"
    assert ("+" in unquote(sign)) is ("%2B" in request.path), "a plus would be a space"
    assert request.json["msgtype"] == "markdown"
    assert request.json["at"] == {"isAtAll": False}
    assert "0123456789" in request.json["markdown"]["text"]
    assert "客服" in request.json["markdown"]["text"]


async def test_feishu_gets_a_card_and_its_signature_in_the_body(service: Service) -> None:
    secrets = {"url": Secret(service.url), "secret": Secret("demo")}
    await send("feishu", settings(secrets=secrets))
    body = service.requests[0].json
    assert body["sign"] == feishu_signature(Secret("demo"), int(body["timestamp"]))
    assert body["msg_type"] == "interactive"
    assert body["card"]["header"]["title"]["tag"] == "plain_text"


async def test_wecom_stays_within_4096_bytes_and_keeps_its_link(service: Service) -> None:
    voice = Voice(language="zh", wall_url="https://wall.example.com/")
    many = [level(f"w{n}", 30, summary={"zh": "顾客等待" * 400}) for n in range(5)]
    digest = Message("d", "digest", T, "warning", many, {"wait": 500}, {"wait": 3}, 400)
    assert (await send("wecom", settings(service, voice=voice), digest)).ok
    content = service.requests[0].json["markdown"]["content"]
    assert 1_000 < len(content.encode()) <= 4_096
    assert content.endswith("[https://wall.example.com/](https://wall.example.com/)")


async def test_slack_gets_plain_text_blocks(service: Service) -> None:
    service.usual = "slack_ok"
    assert (await send("slack", settings(service))).ok
    kinds = {block["text"]["type"] for block in service.requests[0].json["blocks"]}
    assert kinds == {"plain_text"}


async def test_a_webhook_gets_a_signed_cloudevent_with_the_same_id_when_it_is_repeated(
    service: Service,
) -> None:
    to = settings(secrets={"url": Secret(service.url), "secret": Secret("s3")})
    await send("webhook", to)
    await send("webhook", to, firing(repeat=True))
    first, second = service.requests
    parts = dict(part.split("=", 1) for part in first.headers["x-csstream-signature"].split(","))
    wanted = hmac.new(b"s3", f"{parts['t']}.".encode() + first.body, hashlib.sha256).hexdigest()
    assert parts["v1"] == wanted
    assert first.json["id"] == second.json["id"] == first.headers["x-csstream-alert-id"] == "0123456789"
    assert first.json["specversion"] == "1.0"
    assert first.json["type"] == "csstream.alert.firing"
    assert first.json["time"] == "2025-11-21T02:00:31.000Z"
    assert (first.json["data"]["repeat"], second.json["data"]["repeat"]) == (False, True)
    assert first.json["data"]["alerts"][0]["rule"] == "wait"


async def test_alertmanager_gets_ends_ahead_for_what_stands_and_real_ones_for_what_ended(
    service: Service,
) -> None:
    one, two = level("w", 30), ended(level("v", 30), 40)
    batch = Message("b", "batch", T + 60_000, "warning", [one, two])
    assert (await send("alertmanager", settings(service), batch)).ok
    stands, over = service.requests[0].json
    assert stands["labels"]["alertname"] == "CsstreamWait"
    assert stands["startsAt"] == "2025-11-21T02:00:30.000+00:00"
    assert stands["endsAt"] == "2025-11-21T02:11:00.000+00:00"
    assert over["endsAt"] == "2025-11-21T02:00:40.000+00:00"
    assert stands["labels"]["alert_id"] != over["labels"]["alert_id"]


# ---- words from outside -------------------------------------------------------------------------------------------


def evil() -> Alert:
    """An alert whose every word comes from somebody who means harm."""
    return level(
        "w", 30, agent=EVIL, group=EVIL, shop=EVIL, customer="customer-4711", divert_to=EVIL,
        summary={"zh": EVIL, "en": EVIL},
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["firing", "digest", "summary"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_words_from_outside_can_do_nothing_in_a_message(kind: Any, language: str) -> None:
    message = Message("m", kind, T, "warning", [evil()], {"wait": 1}, {})
    text = text_of(message, Voice(language=language))
    whole = text.whole()
    assert not set(whole) & set("@<>[]*`#~|\\\x1b\u202e\u200b"), whole
    assert "://" not in whole
    assert "javascript:" not in whole
    assert "www." not in whole
    assert all(len(line.splitlines()) <= 1 for line in (text.title, *text.lines))


@pytest.mark.parametrize(
    "status", [status for status in STATUSES if status != "created"] + ["confirmed", "withdrawn"]
)
def test_how_an_order_or_a_complaint_ended_is_said_in_chinese(status: str) -> None:
    over = ended(level("w", 30, summary={"zh": "出事"}), 60, status)
    assert status not in text_of(firing(over), Voice(language="zh")).title


@pytest.mark.parametrize("kind", HTTP)
async def test_no_service_is_told_who_the_customer_is(kind: str, service: Service) -> None:
    await send(kind, settings(service), firing(evil()))
    await send(
        kind, settings(service, voice=Voice(mask_customers=True)), Message("d", "digest", T, "info", [evil()])
    )
    assert len(service.requests) == 2
    for request in service.requests:
        assert b"4711" not in request.body


async def test_a_customer_is_named_where_that_was_asked_for(service: Service) -> None:
    await send("webhook", settings(service, voice=Voice(mask_customers=False)), firing(evil()))
    assert service.requests[0].json["data"]["alerts"][0]["customer"] == "customer-4711"


# ---- secrets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", HTTP)
async def test_no_answer_of_ours_holds_a_secret_whatever_happens(
    kind: str, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [*BEHAVIOURS, "time_out"]:
        service.script = [name]
        url = f"{service.url}/{MARK}?access_token={MARK}"
        to = settings(url=url, timeout_s=0.3, secrets={"url": Secret(url), "secret": Secret(MARK)})
        answer = await send(kind, to)
        assert MARK not in f"{answer!r} {to!r} {to.secrets['url']} {to.secrets['secret']:>20}"
    assert MARK not in caplog.text


# ---- mail ---------------------------------------------------------------------------------------------------------


class Postbox:
    """A mail server that takes what it is given; `codes` by command replace its answers."""

    def __init__(self, **codes: str) -> None:
        self.codes = codes
        self.mails: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One conversation."""

        async def say(text: str) -> None:
            writer.write(text.encode() + b"\r\n")
            await writer.drain()

        try:
            await say(self.codes.get("HELLO", "220 ready"))
            while line := (await reader.readline()).decode().strip():
                word = line.split(" ")[0].split(":")[0].upper()
                if word == "DATA" and "DATA" not in self.codes:
                    await say("354 go on")
                    mail = await reader.readuntil(b"\r\n.\r\n")
                    if "END" in self.codes and not self.codes["END"]:
                        break
                    self.mails.append(mail)
                    await say(self.codes.get("END", "250 kept"))
                elif word == "EHLO":
                    await say("250 postbox")
                else:
                    await say(self.codes.get(word, "250 ok"))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def mailed(box: Postbox, message: Message | None = None, **fields: Any) -> Answer:
    """Send one mail to a box."""
    server = await asyncio.start_server(box.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    texts = {"host": "127.0.0.1", "tls": "none", "from": "csstream@example.com"}
    to: dict[str, Any] = {
        "texts": texts, "lists": {"to": ("boss@example.com", "ops@example.com")}, "numbers": {"port": port},
        "secrets": {},
    }  # fmt: skip
    try:
        return await Mail(settings(**(to | fields))).send(message or firing())
    finally:
        server.close()
        await server.wait_closed()


async def test_a_mail_has_the_same_message_id_when_it_is_sent_again() -> None:
    box = Postbox()
    assert (await mailed(box)).ok
    assert (await mailed(box, firing(repeat=True))).ok
    first, second = (email.message_from_bytes(raw, policy=email.policy.default) for raw in box.mails)
    assert first["Message-ID"] == second["Message-ID"] == "<0123456789@csstream.invalid>"
    assert first["To"] == "boss@example.com, ops@example.com"
    assert "perhaps a repeat" in second.get_content()


async def test_words_from_outside_forge_no_header_of_a_mail() -> None:
    box = Postbox()
    assert (
        await mailed(box, firing(level("w", 30, summary={"en": "a\r\nBcc: x@evil.example\r\n\r\nhi"})))
    ).ok
    mail = email.message_from_bytes(box.mails[0], policy=email.policy.default)
    assert "Bcc" not in mail


@pytest.mark.parametrize(
    ("codes", "maybe"),
    [({"HELLO": "554 no"}, False), ({"RCPT": "550 who"}, False), ({"END": "452 full"}, False), ({"END": ""}, True),
     ({"MAIL": "451 later"}, False)],
)  # fmt: skip
async def test_a_mail_server_that_refuses_is_told_from_one_that_breaks_off(
    codes: dict[str, str], maybe: bool
) -> None:
    answer = await mailed(Postbox(**codes))
    assert (answer.ok, answer.maybe) == (False, maybe)


async def test_a_mail_does_not_go_where_it_may_not() -> None:
    answer = await mailed(Postbox(), allow_private=False)
    assert not answer.ok
    assert "allow_private" in answer.said


@pytest.mark.parametrize("host", ["smtp..example.com", "x" * 70 + ".example.com"])
async def test_a_mail_host_that_can_be_none_is_a_clear_no(host: str) -> None:
    texts = {"host": host, "from": "csstream@example.com"}
    answer = await Mail(settings(texts=texts, lists={"to": ("boss@example.com",)})).send(firing())
    assert (answer.ok, answer.maybe) == (False, False)
    assert "no connection" in answer.said


# ---- names ----------------------------------------------------------------------------------------------------------


async def test_a_name_server_that_says_nothing_holds_up_no_work_but_that_of_the_sinks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()

    def silent(*_: object, **__: object) -> None:
        answered.wait(30)
        raise OSError("no name server answers")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    texts = {"host": "mail.example.com", "from": "csstream@example.com"}
    to = settings(
        url="https://chat.example.com/", timeout_s=0.05, texts=texts, lists={"to": ("a@example.com",)}
    )
    try:
        tries = (
            send(kind, to) for _ in range(20) for kind in ("webhook", "mail")
        )  # more than the loop has threads
        answers = await asyncio.gather(*tries)
        assert not any(answer.ok or answer.maybe for answer in answers)
        async with asyncio.timeout(5):
            await asyncio.to_thread(int)  # so SQLite keeps what came in
    finally:
        answered.set()


# ---- the console --------------------------------------------------------------------------------------------------


async def test_a_sign_that_the_terminal_does_not_know_holds_up_no_alert(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="gbk"))
    answer = await send("console", settings(), firing(level("w", 30, agent="小美\U0001f338")))
    assert answer.ok
    assert "小美?" in written.getvalue().decode("gbk")


async def test_a_closed_standard_output_is_a_clear_no(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    answer = await send("console", settings())
    assert (answer.ok, answer.maybe) == (False, False)
