"""A worker that is killed does not keep its partitions for the rest of its session, and one that lives is left alone."""

import asyncio
import signal
import subprocess
import time
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]

from csstream.kafka import signoff
from csstream.ledgers.kafka import Connection
from tests.canary import SECRET
from tests.kafka.fleet import Fleet, wait_until
from tests.kafka.node import PASSWORD, USER, Node
from tests.kafka.test_kills import joined

LONG = "--group-session", "25s"


def members(fleet: Fleet) -> list[str]:
    """Who is in the group."""

    async def ask() -> list[str]:
        admin = AIOKafkaAdminClient(**fleet.connection.settings("tests"))
        await admin.start()
        try:
            [answer] = await admin.describe_consumer_groups([fleet.name])
            return [member[0] for member in answer.groups[0][5]]
        finally:
            await admin.close()

    return asyncio.run(ask())


@pytest.mark.slow
def test_a_killed_worker_is_taken_over_long_before_its_session_ends_and_a_frozen_one_is_not(
    broker: str, tmp_path: Path
) -> None:
    with Fleet(broker, tmp_path, settings=LONG) as fleet:
        first = fleet.start()
        wait_until(first.owns, 60, "a worker at work")
        second = fleet.start()
        pair = first, second
        wait_until(lambda: [w.metric("partitions", state="ready") for w in pair] == [2, 2], 60, "two each")
        told = joined(first), joined(second)
        second.send(signal.SIGSTOP)
        wait_until(
            lambda: "has said nothing" in second.get("/readyz")[1], 20, "its kiosk hears nothing of it"
        )
        assert len(members(fleet)) == 2, "who is frozen is a member for as long as the group says"
        second.send(signal.SIGCONT)
        wait_until(lambda: second.get("/readyz")[0] == 200, 20, "ready again")
        assert (joined(first), joined(second)) == told, "nobody had to give anything away"
        second.kill()
        began_s = time.monotonic()
        wait_until(lambda: first.metric("partitions", state="ready") == 4, 20, "all partitions at one worker")
        assert time.monotonic() - began_s < 12, "the session is 25 s"


@pytest.mark.slow
def test_who_comes_in_with_a_password_over_tls_is_signed_off_the_same_way(
    node: Node | None, tmp_path: Path
) -> None:
    if node is None or node.authority is None:
        pytest.skip("there is no broker of ours with certificates")
    password = tmp_path / "password"
    password.write_text(PASSWORD, "utf-8")
    said = [
        "--kafka-security-protocol", "SASL_SSL", "--kafka-sasl-mechanism", "SCRAM-SHA-256", "--kafka-username", USER,
        "--kafka-password-file", str(password), "--kafka-ca-file", str(node.authority.file), *LONG,
    ]  # fmt: skip
    with Fleet(node.address, tmp_path, settings=said, reached=node.sasl_tls_address) as fleet:
        worker = fleet.start()
        wait_until(worker.owns, 60, "a worker at work")
        worker.kill()
        wait_until(lambda: not members(fleet), 12, "an empty group")


def test_who_has_left_already_is_signed_off_without_a_word(broker: str) -> None:
    will = signoff.will(Connection(broker), "nobody's", "a-member-that-is-none")
    run = subprocess.run(will.command, input=will.told, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_where_no_broker_answers_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signoff, "GIVE_UP_S", 0.5)
    with pytest.raises(TimeoutError):
        asyncio.run(signoff.sign_off(Connection("127.0.0.1:1"), "group", "member"))


def test_nobody_sees_a_password_among_the_words_of_a_command() -> None:
    connection = Connection("127.0.0.1:1", "SASL_PLAINTEXT", username=USER, password=SECRET)
    will = signoff.will(connection, "group", "member")
    assert SECRET not in " ".join(will.command)
    assert SECRET in will.told
