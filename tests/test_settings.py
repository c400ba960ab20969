"""Settings: who wins, what is refused, and that a secret is never shown."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiokafka.errors import ProducerClosed  # type: ignore[import-untyped]
from click.testing import CliRunner

from csstream.cli import cli
from csstream.cli.told import connection
from csstream.settings import SETTINGS, Settings, SettingsError, read, table


def told(settings: Settings, name: str) -> tuple[object, str]:
    """Value and origin of a setting."""
    [setting] = [setting for setting in SETTINGS if setting.name == name]
    return getattr(settings, setting.attribute), settings.origins[name]


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A file of settings."""
    path = tmp_path / "csstream.toml"
    path.write_text('broker = "file:1"\n[merge]\nmax_wait = "1m"\n[metrics]\nport = 0\n', "utf-8")
    return str(path)


def test_a_flag_wins_over_the_environment_it_over_the_file_and_that_over_the_default(config: str) -> None:
    environment = {"CSSTREAM_BROKER": "environment:1", "CSSTREAM_MERGE_MAX_WAIT": "500ms"}
    settings = read({"broker": "flag:1"}, environment, config)
    assert told(settings, "broker") == ("flag:1", "--broker")
    assert told(settings, "merge.max_wait") == (0.5, "CSSTREAM_MERGE_MAX_WAIT")
    assert told(settings, "metrics.port") == (0, f"{config}: metrics.port")
    assert told(settings, "partitioner") == ("murmur2", "default")


def test_the_environment_names_the_file_where_no_flag_does(config: str) -> None:
    assert told(read({}, {"CSSTREAM_CONFIG": config}), "broker") == ("file:1", f"{config}: broker")
    assert told(read({}, {"CSSTREAM_CONFIG": ""}), "broker")[1] == "default", "as a compose file leaves it"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('brokker = "x"', "there is no setting brokker; did you mean broker?"),
        ("[merge]\nmaxwait = 5", "there is no setting merge.maxwait; did you mean merge.max_wait?"),
        ("[merge]\nmax_wait = 'soon'", "merge.max_wait is 'soon': give a time from 0s to 3600s"),
        ('partitioner = "murmur"', "did you mean murmur2?"),
        ("[metrics]\nport = 99999", "give a whole number from 0 to 65535"),
        ("[kafka]\npassword = 'hunter2'", "a secret stands in a file of its own: give kafka.password_file"),
        ("broker = true", "broker must be text or a number"),
        ("broker =", "is no TOML"),
    ],
)
def test_what_does_not_fit_names_the_place_and_the_way_out(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError) as error:
        read({}, {}, str(path))
    assert says in str(error.value)
    assert str(path) in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_watchdog_that_would_end_a_worker_before_the_group_gives_it_up_is_refused(config: str) -> None:
    with pytest.raises(SettingsError) as error:
        read({"watchdog.after": "5s"}, {})
    assert str(error.value) == (
        "watchdog.after is 5s (--watchdog-after), less than group.session, 6s (default): it would end workers that "
        "the group still waits for; give watchdog.after at least 6s"
    )
    with pytest.raises(SettingsError, match=r"watchdog.after is 20s .* 30s \(CSSTREAM_GROUP_SESSION\)"):
        read({}, {"CSSTREAM_GROUP_SESSION": "30s", "CSSTREAM_WATCHDOG_AFTER": "20s"}, config)
    assert read({"watchdog.after": "6s"}, {}).watchdog_after_s == 6.0


def test_a_watchdog_that_would_end_a_worker_whose_topics_wait_as_they_were_told_to_is_refused() -> None:
    with pytest.raises(SettingsError) as error:
        read({"merge.max_wait": "2m"}, {})
    assert str(error.value) == (
        "watchdog.after is 60s (default), less than merge.max_wait, 120s (--merge-max-wait): it would end workers "
        "whose topics still wait for one that cannot be read; give merge.max_wait at most 60s, or watchdog.after more"
    )
    assert read({"merge.max_wait": "2m"}, {"CSSTREAM_WATCHDOG_AFTER": "3m"}).merge_max_wait_s == 120


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"CSSTREAM_BROKR": "x"}, "did you mean CSSTREAM_BROKER?"),
        ({"CSSTREAM_KAFKA_PASSWORD": "hunter2"}, "give CSSTREAM_KAFKA_PASSWORD_FILE"),
        ({"CSSTREAM_KAFKA_PASSWORD_FILE": "nowhere/at/all"}, "cannot be read: No such file"),
        ({"CSSTREAM_CONFIG": "nowhere/at/all"}, "name another file with --config or CSSTREAM_CONFIG"),
        ({"CSSTREAM_BROKER": ""}, "CSSTREAM_BROKER is empty"),
    ],
)
def test_a_misspelt_name_in_the_environment_is_refused(environment: Mapping[str, str], says: str) -> None:
    with pytest.raises(SettingsError) as error:
        read({}, environment)
    assert says in str(error.value)
    assert "hunter2" not in str(error.value)


def test_names_of_other_programs_of_the_family_are_left_alone() -> None:
    assert (
        read({}, {"CSSTREAM_DATA": "x", "CSSTREAM_TEST_KAFKA": "y", "OTHER": "z"}).broker == "127.0.0.1:9092"
    )


def test_a_secret_is_read_from_its_file_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("hunter2\n", "utf-8")
    settings = read({"kafka.password_file": str(path)}, {})
    assert settings.password == "hunter2"
    assert "hunter2" not in repr(settings) + json.dumps(table(settings))
    assert [row["value"] for row in table(settings) if row["name"] == "kafka.password_file"] == ["(given)"]


def test_the_command_shows_every_setting_with_its_origin() -> None:
    run = CliRunner(env={"CSSTREAM_BROKER": "b:1"}).invoke(
        cli, ["settings", "--partitioner", "any", "--json"]
    )
    assert run.exit_code == 0, run.output
    rows = {row["name"]: row for row in json.loads(run.output)}
    assert len(rows) == len(SETTINGS)
    assert (rows["broker"]["value"], rows["broker"]["origin"]) == ("b:1", "CSSTREAM_BROKER")
    assert (rows["partitioner"]["value"], rows["partitioner"]["origin"]) == ("any", "--partitioner")


def test_a_wrong_setting_is_wrong_usage() -> None:
    run = CliRunner().invoke(cli, ["worker", "--merge-max-wait", "soon"])
    assert run.exit_code == 2
    assert "--merge-max-wait is 'soon'" in run.output


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--kafka-security-protocol", "SASL_SSL"], "wants a user and a password"),
        (
            ["--kafka-security-protocol", "SSL", "--kafka-ca-file", "nowhere/at/all"],
            "TLS cannot be set up with",
        ),
        (["--broker", "kafka:ninety"], "broker 'kafka:ninety' is no address: give HOST:PORT"),
        (["--broker", "kafka:9092, :9093"], "broker ':9093' is no address"),
        (["--broker", "kafka:90921"], "broker 'kafka:90921' is no address"),
    ],
)
def test_a_broker_that_cannot_be_spoken_to_as_told_is_wrong_usage(given: list[str], says: str) -> None:
    run = CliRunner().invoke(cli, ["topics", "--check", *given])
    assert run.exit_code == 2, run.output
    assert says in run.output


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (ssl.SSLError(1, "bad certificate"), False),
        (ProducerClosed(), False),
        (ValueError("a fault of ours"), True),
    ],
    ids=lambda given: type(given).__name__,
)
async def test_only_faults_of_ours_are_logged_with_a_trace_when_nobody_waits(
    error: Exception, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    connection(Settings())
    unheard = asyncio.get_running_loop().create_future()
    unheard.set_exception(error)
    del unheard
    assert ("never retrieved" in caplog.text) is logged, (
        "what the client raises is told by our own error, in a line"
    )
