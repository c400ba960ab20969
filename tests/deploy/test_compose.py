"""docker-compose.yml: by compose itself (no engine is needed for that), and by what it must keep to."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from csstream import __version__
from csstream.kafka.topics import PARTITIONS
from tests.deploy.programs import DEPLOY, ROOT, program
from tests.deploy.scraper import SHIPPED
from tests.deploy.test_alertmanager import prepared
from tests.deploy.test_systemd import takes

FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: each for name, each in SERVICES.items() if each["image"].startswith("csstream:")}


def composed(*words: str) -> str:
    """What compose makes of the file."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
    tool = ["docker", "compose"] if plugin else [program("docker-compose")]
    run = subprocess.run(
        [*tool, "-f", str(FILE), *words],
        capture_output=True, text=True, timeout=60, env=os.environ | {"COMPOSE_PROFILES": "watch,try"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(autouse=True)
def _docker_may_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A `docker` that knows no compose, where there is none at all."""
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}{tmp_path}")


def test_compose_takes_the_file() -> None:
    said = yaml.safe_load(composed("config"))
    assert set(said["services"]) == set(SERVICES)


def test_without_a_profile_only_the_service_itself_starts() -> None:
    assert {name for name, each in SERVICES.items() if "profiles" not in each} == {
        "kafka", "topics", "worker", "notify", "wall", "gateway"
    }  # fmt: skip
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_has_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["user"].split(":")[0] not in {"", "0", "root"}
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service.get("read_only") is True or name == "kafka"
    assert service["mem_limit"]
    assert not service.get("privileged")


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_open_to_other_machines(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_of_one_version(name: str) -> None:
    image = SERVICES[name]["image"]
    assert re.search(r":(\$\{CSSTREAM_VERSION:-)?v?\d+\.\d+\.\d+\}?$", image)
    if name in OURS:
        assert f":-{__version__}}}" in image


@pytest.mark.parametrize("name", SERVICES)
def test_what_stays_up_says_whether_it_is_well(name: str) -> None:
    passing = {"topics", "shop"}
    assert ("healthcheck" in SERVICES[name]) is (name not in passing)


def test_no_password_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", key):
                assert str(value).startswith("/run/secrets/"), key


def test_every_secret_is_made_by_the_script_and_every_one_is_used(tmp_path: Path) -> None:
    made = {path.name for path in prepared(tmp_path).iterdir()}
    mounted = {Path(each["file"]).name for each in COMPOSE["secrets"].values()}
    assert mounted | {"alerts"} == made
    assert SERVICES["notify"]["volumes"] == ["./deploy/secrets/alerts:/etc/csstream/alerts:ro"]
    used = {name for service in SERVICES.values() for name in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_runs_a_command_there_is(name: str) -> None:
    takes(OURS[name]["command"])


@pytest.mark.parametrize("page", ["OPERATING.md", "RUNBOOK.md"])
def test_what_the_pages_run_in_a_container_is_a_command_there_is(page: str) -> None:
    said = (DEPLOY / page).read_text("utf-8")
    found = re.findall(r"docker compose run --rm (\w+) ([^`\n]+)", said)
    assert found
    for service, words in found:
        assert service in OURS
        if words != "...":
            takes(words.split())


def test_the_topics_are_made_with_the_partitions_that_csstream_has_by_default() -> None:
    assert OURS["topics"]["command"] == ["topics", "--partitions", str(PARTITIONS)]


def test_prometheus_looks_for_every_service_where_it_answers() -> None:
    config = yaml.safe_load((SHIPPED / "prometheus.yml").read_text("utf-8"))
    for job in config["scrape_configs"]:
        for place in job.get("dns_sd_configs", ()):
            assert place["names"] == ["worker"]
            assert f":{place['port']}/" in json.dumps(SERVICES["worker"]["healthcheck"])
        for target in (target for each in job.get("static_configs", ()) for target in each["targets"]):
            host, _, port = target.partition(":")
            service = SERVICES["prometheus" if host == "localhost" else host]
            assert f":{port}/" in json.dumps(service["healthcheck"]), target
            if host in OURS and "--allow-host" in service["command"]:
                assert service["command"][service["command"].index("--allow-host") + 1] == host


def test_what_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            made = source.startswith("./deploy/secrets/")  # by prepare.sh
            assert made or source in COMPOSE["volumes"] or (ROOT / source).is_dir(), mount


# ---- the image ----------------------------------------------------------------------------------------------------

DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")


def test_the_image_takes_only_what_the_lock_file_names() -> None:
    installs = re.findall(r"pip install .*?(?=&&|\n[A-Z])", DOCKERFILE, re.DOTALL)
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert "-r /build/requirements.lock" in installs[0]
    assert re.search(r"(?m)^ARG PYTHON=3\.\d+\.\d+-slim-\w+$", DOCKERFILE)


def test_the_image_has_the_package_and_nothing_else_of_the_tree() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert ignored[0] == "*"
    stages = {name: text for text, name in re.findall(r"(?s)(FROM \S+ AS (\w+)\n.*?)(?=\nFROM )", DOCKERFILE)}
    copied = {name: set(re.findall(r"(?m)^COPY (?!--from)(\S+)", text)) for name, text in stages.items()}
    of_the_compiler = {
        "Makefile",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "requirements-dev.lock",
        "csstream",
    }
    assert copied == {"core": of_the_compiler, "build": {"requirements.lock"}}
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == set().union(
        *copied.values()
    )
    for source in set().union(*copied.values()):
        assert (ROOT / source).exists(), source
    # Of the compiler's stage only the package goes on: its text and its machine code.
    assert set(re.findall(r"(?m)^COPY --from=core (\S+)", DOCKERFILE)) == {
        "/core/build/compiled/csstream",
        "/core/build/compiled/*__mypyc*.so",
    }


def test_what_is_copied_into_the_image_is_enough_for_every_command_of_the_file(tmp_path: Path) -> None:
    app = tmp_path / "app"
    rules = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    left_out = shutil.ignore_patterns(*(rule.removeprefix("**/") for rule in rules if rule.startswith("**/")))
    shutil.copytree(ROOT / "csstream", app / "csstream", ignore=left_out)
    [compiled] = re.findall(r"(?m)^RUN (.* -m compileall .*)$", DOCKERFILE)
    own = compiled.replace("/opt/csstream/bin/python", sys.executable).replace("/opt/csstream", str(tmp_path))
    subprocess.run(own.split(), check=True, timeout=120)
    last = DOCKERFILE[DOCKERFILE.rindex("FROM ") :].replace("\\\n", "")
    given = dict(each.split("=", 1) for each in re.findall(r"(?m)^ENV (.*)$", last)[0].split())
    given |= {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(app)}
    entry = json.loads(re.findall(r"(?m)^ENTRYPOINT (.*)$", last)[0])
    asked = json.loads(re.findall(r"(?m)^CMD (.*)$", last)[0])

    def said(*words: str) -> str:
        command = [sys.executable, *entry[1:], *words]
        run = subprocess.run(command, cwd=app, env=given, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        return run.stdout

    for command in {each["command"][0] for each in OURS.values()}:
        assert command in said(*asked)
        assert "Usage:" in said(command, "--help")
    assert "tmall@1 is valid" in said("policy", "check", "tmall"), "the profiles are there too"


def test_the_image_runs_as_nobody_in_particular() -> None:
    user = re.findall(r"(?m)^USER (\S+)$", DOCKERFILE)
    assert user == [OURS["worker"]["user"]]
    last = DOCKERFILE[DOCKERFILE.rindex("FROM ") :]
    assert last.index("USER") < last.index("ENTRYPOINT")
