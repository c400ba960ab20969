"""Brokers that ask who we are: a worker comes in with every mechanism, and says how where it cannot."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.canary import SECRET
from tests.kafka.certificates import Authority
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
        [*command, *options(tmp_path, "SCRAM-SHA-256", f"not-{SECRET}")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 1
    assert re.fullmatch(rf"csstream: no broker at {node.sasl_address} lets us in: .*\n", run.stderr), (
        run.stderr
    )
    assert f"not-{SECRET}" not in run.stderr


# ---- TLS -------------------------------------------------------------------------------------------------


@pytest.fixture
def secure(node: Node | None) -> tuple[Node, Authority]:
    """A node with certificates, and who signed them."""
    if node is None:
        pytest.skip("the broker of CSSTREAM_TEST_KAFKA is not ours to configure")
    if node.authority is None:
        pytest.skip("there is no openssl to make certificates with")
    return node, node.authority


def checked(address: str, protocol: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`csstream topics --plan` over TLS."""
    command = [sys.executable, "-m", "csstream", "topics", "--plan", "--broker", address]
    command += ["--topics-prefix", "none-of-these.", "--kafka-security-protocol", protocol, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_who_trusts_the_broker_and_shows_a_certificate_of_his_own_comes_in(
    secure: tuple[Node, Authority],
) -> None:
    node, authority = secure
    certificate, key = authority.signed("us")
    trust = ("--kafka-ca-file", str(authority.file))
    own = ("--kafka-cert-file", str(certificate), "--kafka-key-file", str(key))
    run = checked(node.tls_address, "SSL", *trust, *own)
    assert (run.returncode, run.stderr) == (0, "")
    assert "none-of-these.chat: is missing" in run.stdout
    anonymous = checked(node.tls_address, "SSL", *trust)
    assert anonymous.returncode == 1
    assert re.fullmatch(
        r"csstream: no broker at .* lets us in: TLS fails .*kafka\.cert_file.*\n", anonymous.stderr
    ), anonymous.stderr


def test_a_worker_works_over_tls_with_a_name_and_a_password(
    secure: tuple[Node, Authority], tmp_path: Path
) -> None:
    node, authority = secure
    said = options(tmp_path, "SCRAM-SHA-256")
    said[said.index("SASL_PLAINTEXT")] = "SASL_SSL"
    said += ["--kafka-ca-file", str(authority.file)]
    with Fleet(node.address, tmp_path, settings=said, reached=node.sasl_tls_address) as fleet:
        fleet.write(shop_log(200))
        worker = fleet.start()
        fleet.settle()
        wait_until(lambda: worker.metric("messages_total") > 0, 10, "figures")
        assert PASSWORD not in worker.log()


@pytest.mark.parametrize("trusts", ["nobody we made", "another authority"])
def test_a_broker_whom_nobody_vouches_for_is_refused_in_one_line(
    secure: tuple[Node, Authority], tmp_path: Path, trusts: str
) -> None:
    node, _ = secure
    more = (
        ("--kafka-ca-file", str(Authority(tmp_path / "other").file)) if trusts == "another authority" else ()
    )
    run = checked(node.sasl_tls_address, "SASL_SSL", *options(tmp_path, "SCRAM-SHA-256")[2:], *more)
    assert run.returncode == 1
    assert re.fullmatch(
        rf"csstream: no broker at {node.sasl_tls_address} lets us in: .*certificate.*kafka\.ca_file.*\n",
        run.stderr,
    ), run.stderr
