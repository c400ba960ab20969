"""Brokers that ask who we are: a worker comes in with every mechanism, and says how where it cannot."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kafka.fleet import Fleet, wait_until
from tests.kafka.node import PASSWORD, USER, Node
from tests.kafka.test_worker import shop_log


def options(tmp_path: Path, mechanism: str, password: str = PASSWORD) -> list[str]:
    """The flags of a worker that says who it is."""
    secret = tmp_path / "password"
    secret.write_text(f"{password}\n", "utf-8")
    return [
        "--kafka-security-protocol", "SASL_PLAINTEXT", "--kafka-sasl-mechanism", mechanism, "--kafka-username", USER,
        "--kafka-password-file", str(secret),
    ]  # fmt: skip


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_worker_that_says_who_it_is_works(node: Node | None, tmp_path: Path, mechanism: str) -> None:
    if node is None:
        pytest.skip("the broker of CSSTREAM_TEST_KAFKA is not ours to configure")
    with Fleet(
        node.address, tmp_path, settings=options(tmp_path, mechanism), reached=node.sasl_address
    ) as fleet:
        log = shop_log(200)
        fleet.write(log)
        worker = fleet.start()
        fleet.settle()
        wait_until(lambda: worker.metric("messages_total") > 0, 10, "figures")
        assert PASSWORD not in worker.log()


def test_a_wrong_password_ends_in_one_line_that_does_not_show_it(node: Node | None, tmp_path: Path) -> None:
    if node is None:
        pytest.skip("the broker of CSSTREAM_TEST_KAFKA is not ours to configure")
    command = [sys.executable, "-m", "csstream", "topics", "--check", "--broker", node.sasl_address]
    run = subprocess.run(
        [*command, *options(tmp_path, "SCRAM-SHA-256", "battery-staple")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 1
    assert re.fullmatch(rf"csstream: no broker at {node.sasl_address} lets us in: .*\n", run.stderr), (
        run.stderr
    )
    assert "battery-staple" not in run.stderr
