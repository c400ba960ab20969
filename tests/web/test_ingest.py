"""Events over HTTP: every answer, held against the OpenAPI document that clients are made from."""

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, web
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from csstream.web import ingest, openapi
from csstream.web.batch import Entry
from csstream.web.bearer import Bearer
from csstream.web.ingest import AwayError, BusyError, Ingest, RefusedError
from csstream.web.server import MAX_BODY, Requests, application, listening
from tests.canary import SECRET, TEXT

EVENT = b'{"id":"1","type":"message","ts":0,"shop":"s","customer":"c","sender":"customer"}'
ORDER = (
    b'{"id":"2","type":"order","ts":0,"shop":"t","customer":"c","order":"o","status":"paid","amount":"1.50"}'
)


class Kept:
    """An intake that keeps what it is given, or refuses it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.refuse: RefusedError | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def put(self, entries: Sequence[Entry]) -> None:
        """Keep them once the gate is open."""
        await self.gate.wait()
        if self.refuse is not None:
            raise self.refuse
        self.entries += entries


class Site:
    """A listening application, a client for it, and what it counts."""

    def __init__(self, address: str, client: ClientSession, kept: Kept, requests: Requests) -> None:
        self.address = address
        self.client = client
        self.kept = kept
        self.requests = requests

    async def post(self, body: bytes, query: str = "", **headers: str) -> tuple[ClientResponse, Any]:
        """The answer to a body, checked against the document."""
        headers = {"Authorization": f"Bearer {SECRET}"} | headers
        async with self.client.post(
            f"{self.address}/v1/events{query}", data=io.BytesIO(body), headers=headers
        ) as answer:
            said = json.loads(await answer.read())
        check(answer, said)
        return answer, said


def check(answer: ClientResponse, said: object) -> None:
    """An answer is one that the document has, in the form that it says."""
    described = openapi.document()["paths"]["/v1/events"]["post"]["responses"][str(answer.status)]
    (kind,) = described["content"]
    assert answer.content_type == kind
    for name in described.get("headers", {}):
        assert name in answer.headers
    validator(described["content"][kind]["schema"]).validate(said)


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Checks against a schema of the document, its references too."""
    return Draft202012Validator({"components": openapi.document()["components"], **schema})


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Everything under test, on a free port."""
    kept, requests = Kept(), Requests()
    app = application(requests, ["shop.example"])
    Ingest(kept, Bearer(SECRET)).mount(app)
    openapi.mount(app)

    async def broken(_: web.Request) -> web.Response:
        raise RuntimeError(f"secret words of a customer: {TEXT}")

    app.router.add_get("/broken/{customer}", broken)
    async with listening(app, "127.0.0.1", 0) as address, ClientSession() as client:
        yield Site(address, client, kept, requests)


async def test_events_are_answered_for_only_when_they_are_kept(site: Site) -> None:
    site.kept.gate.clear()
    answer = asyncio.create_task(site.post(EVENT + b"\r\n\n" + ORDER))
    done, _ = await asyncio.wait([answer], timeout=0.2)
    assert not done
    site.kept.gate.set()
    response, said = await answer
    assert (response.status, said) == (200, {"accepted": 2})
    assert site.kept.entries == [Entry("cs.chat", "s", EVENT), Entry("cs.orders", "t", ORDER)]


async def test_one_bad_line_keeps_the_whole_request_out_and_is_named(site: Site) -> None:
    response, said = await site.post(b"\n".join([EVENT, b"", b"{", EVENT.replace(b'"s"', b"7")]))
    assert response.status == 400
    assert [(fault["line"], fault["reason"]) for fault in said["errors"]] == [
        (3, "not_json"),
        (4, "bad:shop"),
    ]
    assert said["rejected"] == 2
    assert site.kept.entries == []


async def test_partial_takes_the_good_lines_and_names_the_others(site: Site) -> None:
    response, said = await site.post(EVENT + b"\n[]\n" + ORDER, "?partial=1")
    assert response.status == 200
    assert (said["accepted"], said["rejected"]) == (2, 1)
    assert said["errors"][0]["reason"] == "not_object"
    assert len(site.kept.entries) == 2
    assert (await site.post(EVENT, "?partial=yes"))[0].status == 400


async def test_of_many_bad_lines_all_are_counted_and_some_are_named(site: Site) -> None:
    _, said = await site.post(b"{}\n" * 500)
    assert said["rejected"] == 500
    assert len(said["errors"]) == ingest.SHOWN_FAULTS


async def test_what_a_customer_wrote_is_not_sent_back(site: Site) -> None:
    _, said = await site.post(EVENT.replace(b"}", b',"text":{"secret":"words"}}'))
    assert said["errors"][0]["reason"] == "bad:text"
    assert "words" not in json.dumps(said)


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer wrong", f"Basic {SECRET}", f"Bearer {SECRET}x", "Bearer é"]
)
async def test_without_the_token_nothing_is_taken(site: Site, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    async with site.client.post(f"{site.address}/v1/events", data=EVENT, headers=headers) as answer:
        check(answer, json.loads(await answer.read()))
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert site.kept.entries == []


async def test_a_body_that_is_too_large_is_refused_however_it_is_sent(site: Site) -> None:
    large = (EVENT + b"\n") * (MAX_BODY // len(EVENT) + 1)
    assert (await site.post(large))[0].status == 413
    packed = gzip.compress(large)
    assert len(packed) < MAX_BODY / 10
    assert (await site.post(packed, **{"Content-Encoding": "gzip"}))[0].status == 413
    assert site.kept.entries == []


async def test_a_line_that_is_too_large_is_named(site: Site) -> None:
    _, said = await site.post(EVENT + b"\n" + EVENT[:-1] + b',"text":"' + b"x" * (1 << 20) + b'"}')
    assert [(fault["line"], fault["reason"]) for fault in said["errors"]] == [(2, "too_large")]


async def test_a_packed_body_is_unpacked_and_a_broken_one_is_refused(site: Site) -> None:
    response, said = await site.post(gzip.compress(EVENT), **{"Content-Encoding": "gzip"})
    assert (response.status, said) == (200, {"accepted": 1})
    response, _ = await site.post(b"no gzip at all", **{"Content-Encoding": "gzip"})
    assert response.status == 400
    assert len(site.kept.entries) == 1


async def test_a_body_that_does_not_come_is_not_waited_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "BODY_S", 0.2)
    host, _, port = site.address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {SECRET}\r\nContent-Length: 99\r\n\r\n"
    writer.write(head.encode() + EVENT[:20])
    async with asyncio.timeout(10):
        assert b" 408 " in await reader.readline()
    writer.close()
    assert site.kept.entries == []


async def test_a_client_that_goes_away_is_no_fault_of_the_program(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    host, _, port = site.address.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {SECRET}\r\nContent-Length: 99\r\n\r\n"
    writer.write(head.encode() + EVENT[:20])
    await site.client.get(f"{site.address}/openapi.json")  # by then the body is waited for
    writer.transport.abort()
    for _ in range(1_000):
        if sum(site.requests.counts.values()) == 2:
            break
        await asyncio.sleep(0.01)
    assert site.requests.counts["/v1/events", "400"] == 1
    assert "failed" not in caplog.text


async def test_a_body_without_an_event_is_a_mistake(site: Site) -> None:
    assert (await site.post(b"\n \n"))[0].status == 400


@pytest.mark.parametrize(("error", "status"), [(BusyError("full"), 429), (AwayError("gone"), 503)])
async def test_what_cannot_be_kept_now_is_to_be_sent_again_later(
    site: Site, error: RefusedError, status: int
) -> None:
    site.kept.refuse = error
    response, said = await site.post(EVENT)
    assert response.status == status
    assert int(response.headers["Retry-After"]) > 0
    assert said["detail"] == str(error)


async def test_too_many_bodies_at_once_are_sent_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "PATIENCE_S", 0.2)
    site.kept.gate.clear()
    held = [asyncio.create_task(site.post(EVENT)) for _ in range(ingest.BODIES + 1)]
    done, waiting = await asyncio.wait(held, return_when=asyncio.FIRST_COMPLETED)
    assert {task.result()[0].status for task in done} == {429}
    site.kept.gate.set()
    assert {(await task)[0].status for task in waiting} == {200}


@pytest.mark.parametrize(
    ("host", "status"),
    [("shop.example", 200), ("SHOP.example:80", 200), ("localhost:1", 200), ("[::1]:5", 200), ("10.1.2.3", 200),
     ("evil.example", 421), ("localhost.evil.example", 421), ("127.0.0.1.evil.example", 421)],
)  # fmt: skip
async def test_only_names_that_are_ours_are_answered(site: Site, host: str, status: int) -> None:
    response, _ = await site.post(EVENT, Host=host)
    assert response.status == status


async def test_what_is_not_there_and_what_fails_is_a_problem_document_too(site: Site) -> None:
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("GET", "/v1/events", 405),
        ("GET", "/broken/c1", 500),
    ):
        async with site.client.request(method, site.address + path) as answer:
            said = await answer.json(content_type="application/problem+json")
            assert (answer.status, said["status"]) == (status, status)
            assert "secret" not in said["detail"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_answers_are_counted_by_route_and_never_by_what_was_asked(site: Site) -> None:
    await site.post(EVENT)
    for path in ("/nowhere/c1", "/broken/c1"):
        async with site.client.get(site.address + path) as answer:
            await answer.read()
    assert site.requests.counts == {
        ("/v1/events", "200"): 1,
        ("other", "404"): 1,
        ("/broken/{customer}", "500"): 1,
    }


async def test_the_document_is_valid_and_knows_every_type_of_event(site: Site) -> None:
    async with site.client.get(f"{site.address}/openapi.json") as answer:
        document = await answer.json()
    validate(document)
    event = validator({"$ref": "#/components/schemas/Event"})
    for line in (EVENT, ORDER):
        event.validate(json.loads(line))
    assert not event.is_valid(json.loads(EVENT.replace(b"message", b"mail")))
