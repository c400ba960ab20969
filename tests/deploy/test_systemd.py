"""The units, by systemd's own tools and without a running systemd."""

import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from csstream.cli import cli
from tests.deploy.programs import DEPLOY, program

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MOST_EXPOSED = 2.0
"""Of 10; above it systemd calls a service no longer OK at 5. What is left is the network."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file system on which csstream is installed as the units expect it."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(DEPLOY / "systemd", root / "etc/systemd/system")
    (root / "opt/csstream/bin").mkdir(parents=True)
    (root / "opt/csstream/bin/csstream").write_text("#!/bin/sh\n")
    (root / "opt/csstream/bin/csstream").chmod(0o755)
    return root


def instance(unit: Path) -> str:
    """The name under which a unit is started."""
    return unit.name.replace("@.", "@9464.")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_unit(unit: Path, root: Path) -> None:
    tool = program("systemd-analyze")
    run = subprocess.run(
        [tool, "verify", f"--root={root}", "--man=no", "--recursive-errors=no", instance(unit)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_may_do_no_more_than_it_must(unit: Path, root: Path) -> None:
    tool = program("systemd-analyze")
    words = [
        "security",
        "--no-pager",
        "--offline=true",
        f"--root={root}",
        f"--threshold={MOST_EXPOSED * 10:.0f}",
    ]
    run = subprocess.run([tool, *words, instance(unit)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_there_is(unit: Path) -> None:
    line = next(line for line in unit.read_text("utf-8").splitlines() if line.startswith("ExecStart="))
    takes(shlex.split(line.replace("%i", "9464").replace("%d", "d").replace("%S", "s"))[1:])


def takes(words: list[str]) -> None:
    """Fails unless csstream takes this command line. Nothing is run."""
    command = cli.commands.get(words[0])
    assert command is not None, f"csstream has no command {words[0]}"
    context = click.Context(cli, info_name="csstream")
    command.make_context(words[0], list(words[1:]), parent=context)
