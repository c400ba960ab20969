"""Who is called: by amtool, on the configuration as it is shipped and as it is made one's own."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.deploy.programs import DEPLOY, program
from tests.deploy.test_rules import ALERTS

SHIPPED = DEPLOY / "alertmanager/alertmanager.yml"


def amtool(*words: str) -> str:
    """What amtool says, if it is content."""
    run = subprocess.run([program("amtool"), *words], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def prepared(folder: Path, **given: str) -> Path:
    """The folder of secrets that deploy/prepare.sh makes; a copy of what it reads lies beside."""
    if not (folder / "deploy").exists():
        for name in ("alertmanager/alertmanager.yml", "notify/alerts.toml", "prepare.sh"):
            (folder / "deploy" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(DEPLOY / name, folder / "deploy" / name)
    subprocess.run(
        ["sh", folder / "deploy/prepare.sh"],
        env=os.environ | given,
        check=True,
        capture_output=True,
        timeout=30,
    )
    return folder / "deploy/secrets"


def test_the_configuration_is_valid() -> None:
    assert "SUCCESS" in amtool("check-config", str(SHIPPED))


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_reaches_somebody_and_the_heartbeat_alone_goes_to_its_own_receiver(name: str) -> None:
    severity = ALERTS[name]["labels"]["severity"]
    words = [f"alertname={name}", f"severity={severity}"]
    receiver = amtool("config", "routes", "test", f"--config.file={SHIPPED}", *words).strip()
    assert receiver == ("heartbeat" if name == "CsstreamWatchdog" else "people")


def test_the_alerts_that_it_holds_back_for_others_are_alerts_there_are() -> None:
    said = SHIPPED.read_text("utf-8")
    named = {word for word in said.replace("|", '"').split('"') if word.startswith("Csstream")}
    assert named <= set(ALERTS)


def test_ones_own_addresses_stand_in_the_copy_that_is_used(tmp_path: Path) -> None:
    secrets = prepared(
        tmp_path, PEOPLE_URL="https://people.example/call?x=1", HEARTBEAT_URL="https://beat.example/"
    )
    assert "SUCCESS" in amtool("check-config", str(secrets / "alertmanager.yml"))
    said = (secrets / "alertmanager.yml").read_text("utf-8")
    assert "https://people.example/call?x=1" in said
    assert ".invalid" not in said


def test_an_address_stands_there_letter_by_letter_whatever_is_in_it(tmp_path: Path) -> None:
    address = "https://people.example/call?key=a&to=b|c"
    secrets = prepared(tmp_path, PEOPLE_URL=address, HEARTBEAT_URL="https://beat.example/?a&b")
    said = (secrets / "alertmanager.yml").read_text("utf-8")
    assert f'"{address}"' in said
    assert '"https://beat.example/?a&b"' in said


def test_addresses_that_come_too_late_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    secrets = prepared(tmp_path)
    first = (secrets / "alertmanager.yml").read_text("utf-8")
    again = subprocess.run(
        ["sh", tmp_path / "deploy/prepare.sh"],
        env=os.environ | {"PEOPLE_URL": "https://people.example/"},
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (secrets / "alertmanager.yml").read_text("utf-8") == first
    assert "stays as it is" in again.stdout


def test_keys_are_made_once_differ_and_are_nobodys_to_enter(tmp_path: Path) -> None:
    secrets = prepared(tmp_path)
    keys = ("gateway-token", "wall-token", "grafana-password")
    first = [(secrets / name).read_text("utf-8") for name in keys]
    assert len(set(first)) == len(keys)
    assert all(len(key) == 32 for key in first)
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    prepared(tmp_path)
    assert [(secrets / name).read_text("utf-8") for name in keys] == first
