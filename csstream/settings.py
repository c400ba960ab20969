"""What a process is told when it starts: flags, the environment, a file, defaults, in this order.

Thresholds of the service are a policy's; here is how a process runs: where the brokers are, who it is to them, how
it takes part. All of it is read once and never changes after. A name that nobody knows is refused, for a setting that is
misspelt would otherwise silently be the default. Secrets come from files alone (`..._file`), so that they stand
in no process list and no environment, and no text made here contains one.

Adding a setting is adding a field: its name, its reader and its meaning stand there, and the flags, the environment's
names, the file's tables and `csstream settings` follow.
"""

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENVIRONMENT = "CSSTREAM_"
CONFIG = "CSSTREAM_CONFIG"
"""The environment's name for the file of settings."""


class SettingsError(Exception):
    """A setting cannot be as given; the text names its place, the value (of a secret: not) and the way out."""


Reader = Callable[[str], Any]


def _text(value: str) -> str:
    if not value:
        raise ValueError("is empty: leave it out, or give a value")
    return value


def _choice(*choices: str) -> Reader:
    def read(value: str) -> str:
        if value not in choices:
            near = difflib.get_close_matches(value, choices, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"is {value!r}: choose one of {', '.join(choices)}{hint}")
        return value

    return read


def _whole(least: int, most: int) -> Reader:
    def read(value: str) -> int:
        if not re.fullmatch(r"-?\d{1,12}", value, re.ASCII) or not least <= int(value) <= most:
            raise ValueError(f"is {value!r}: give a whole number from {least} to {most}")
        return int(value)

    return read


_SPAN = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(ms|s|m|h)?", re.ASCII)
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(least: float, most: float) -> Reader:
    def read(value: str) -> float:
        match = _SPAN.fullmatch(value)
        seconds = -1.0 if match is None else float(match[1]) * _UNITS_S[match[2] or "s"]
        if not least <= seconds <= most:
            raise ValueError(f"is {value!r}: give a time from {least:g}s to {most:g}s, like 500ms, 5s or 1m")
        return seconds

    return read


def _setting(name: str, default: Any, read: Reader, meaning: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"name": name, "read": read, "meaning": meaning, "secret": secret})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a process. `origins` says of each name where its value is from."""

    broker: str = _setting("broker", "127.0.0.1:9092", _text, "Addresses of brokers, HOST:PORT with commas.")
    application: str = _setting(
        "application", "csstream", _text, "Names the group, and the transactions that its state is kept in."
    )
    topics_prefix: str = _setting("topics.prefix", "cs.", _text, "How the names of all topics begin.")
    partitioner: str = _setting(
        "partitioner", "murmur2", _choice("murmur2", "crc32", "any"), "How the producers of events choose."
    )
    merge_max_wait_s: float = _setting(
        "merge.max_wait", 5.0, _seconds(0, 3600), "How long topics wait for one that cannot be read."
    )
    live_delay_s: float = _setting("live.delay", 0.0, _seconds(0, 600), "The feed's usual delay.")
    group_session_s: float = _setting(
        "group.session", 6.0, _seconds(1, 60), "A worker that is silent for so long loses its partitions."
    )
    metrics_host: str = _setting("metrics.host", "127.0.0.1", _text, "Where /metrics is served.")
    metrics_port: int = _setting("metrics.port", 9464, _whole(0, 65_535), "0 is any free one.")
    metrics_agents: int = _setting("metrics.agents", 500, _whole(0, 100_000), "Most agents with series.")
    watchdog_after_s: float = _setting(
        "watchdog.after", 60.0, _seconds(5, 3600), "Records are unread and none is applied: exit after this."
    )
    security_protocol: str = _setting(
        "kafka.security_protocol",
        "PLAINTEXT",
        _choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        "How brokers are spoken to.",
    )
    sasl_mechanism: str = _setting(
        "kafka.sasl_mechanism",
        "PLAIN",
        _choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        "How we prove who we are.",
    )
    username: str | None = _setting("kafka.username", None, _text, "Who we are.")
    password: str | None = _setting("kafka.password", None, _text, "A file with the password.", secret=True)
    ca_file: str | None = _setting(
        "kafka.ca_file", None, _text, "Certificates that brokers are checked with."
    )
    cert_file: str | None = _setting(
        "kafka.cert_file", None, _text, "Our certificate, where brokers want one."
    )
    key_file: str | None = _setting("kafka.key_file", None, _text, "Its key.")
    key_password: str | None = _setting(
        "kafka.key_password", None, _text, "A file with the key's password.", secret=True
    )
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        return f"Settings(broker={self.broker!r}, application={self.application!r})"


@dataclass(frozen=True)
class Setting:
    """One setting as it is named: in a file (`merge.max_wait`), the environment and on the command line."""

    attribute: str
    name: str
    default: Any
    read: Reader
    meaning: str
    secret: bool

    @property
    def given(self) -> str:
        """The name under which a value is given: a secret's is that of its file."""
        return f"{self.name}_file" if self.secret else self.name

    @property
    def environment(self) -> str:
        """Its name in the environment."""
        return ENVIRONMENT + self.given.upper().replace(".", "_")

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return "--" + self.given.replace(".", "-").replace("_", "-")


def _settings() -> tuple[Setting, ...]:
    return tuple(
        Setting(f.name, m["name"], f.default, m["read"], m["meaning"], m["secret"])
        for f in dataclasses.fields(Settings)
        if (m := f.metadata)
    )


SETTINGS = _settings()
"""All of them, in the order of `csstream settings`."""


def read(
    flags: Mapping[str, str | None], environment: Mapping[str, str], config: str | None = None
) -> Settings:
    """The settings of a process. `flags` has values by name, `config` names the file (else `CSSTREAM_CONFIG` does).

    Raises `SettingsError` for what is unknown, cannot be read, or does not fit.
    """
    path = config or environment.get(CONFIG) or None
    in_file = {} if path is None else _from_file(path)
    _refuse_misspelt(environment)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        found, origin = None, "default"
        for value, where in (
            (flags.get(setting.given), setting.flag),
            (environment.get(setting.environment), setting.environment),
            (in_file.get(setting.given), f"{path}: {setting.given}"),
        ):
            if value is not None:
                found, origin = value, where
                break
        origins[setting.name] = origin
        if found is not None:
            values[setting.attribute] = _value(setting, found, origin)
    settings = Settings(**values, origins=origins)
    _refuse_impatient(settings)
    return settings


def _refuse_impatient(settings: Settings) -> None:
    """A watchdog must not end a worker that the group still waits for, or that waits as it was told to."""
    if settings.watchdog_after_s < settings.group_session_s:
        raise SettingsError(
            f"watchdog.after is {settings.watchdog_after_s:g}s ({settings.origins['watchdog.after']}), less than "
            f"group.session, {settings.group_session_s:g}s ({settings.origins['group.session']}): it would end "
            f"workers that the group still waits for; give watchdog.after at least {settings.group_session_s:g}s"
        )
    if settings.watchdog_after_s < settings.merge_max_wait_s:
        raise SettingsError(
            f"watchdog.after is {settings.watchdog_after_s:g}s ({settings.origins['watchdog.after']}), less than "
            f"merge.max_wait, {settings.merge_max_wait_s:g}s ({settings.origins['merge.max_wait']}): it would end "
            "workers whose topics still wait for one that cannot be read; give merge.max_wait at most "
            f"{settings.watchdog_after_s:g}s, or watchdog.after more"
        )


def _value(setting: Setting, text: str, origin: str) -> Any:
    if setting.secret:
        text = _secret(text, origin)
    try:
        return setting.read(text)
    except ValueError as error:
        raise SettingsError(f"{origin} {error}") from None


def _secret(path: str, origin: str) -> str:
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise SettingsError(f"{origin} is {path!r}, which cannot be read: {why}") from None
    return text.rstrip("\r\n")


def _from_file(path: str) -> dict[str, str]:
    try:
        tables = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{path}: {error.strerror}; name another file with --config or {CONFIG}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is no TOML: {error}") from None
    known = {setting.given for setting in SETTINGS}
    found: dict[str, str] = {}
    for name, value in _flat(tables, ""):
        if name not in known:
            secret = next((setting for setting in SETTINGS if setting.secret and setting.name == name), None)
            if secret is not None:
                raise SettingsError(
                    f"{path}: {name}: a secret stands in a file of its own: give {secret.given}"
                )
            raise SettingsError(f"{path}: there is no setting {name}{_meant(name, known)}")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise SettingsError(f"{path}: {name} must be text or a number")
        found[name] = str(value)
    return found


def _flat(table: Mapping[str, Any], before: str) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in table.items():
        pairs += _flat(value, f"{before}{name}.") if isinstance(value, dict) else [(before + name, value)]
    return pairs


def _refuse_misspelt(environment: Mapping[str, str]) -> None:
    """Other programs of this family have names of their own there: what is like one of ours is refused."""
    known = {setting.environment for setting in SETTINGS}
    for name in environment:
        if name.startswith(ENVIRONMENT) and name not in known and name != CONFIG:
            secret = next((s for s in SETTINGS if s.secret and f"{name}_FILE" == s.environment), None)
            if secret is not None:
                raise SettingsError(f"{name}: a secret stands in a file: give {secret.environment}")
            if difflib.get_close_matches(name, known, 1, 0.9):
                raise SettingsError(f"the environment's {name} is no setting{_meant(name, known)}")


def _meant(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), 1)
    return f"; did you mean {near[0]}?" if near else "; `csstream settings` shows all"


def table(settings: Settings) -> list[dict[str, str]]:
    """Every setting with its value, where that is from, and what it means; of secrets only whether they are given."""
    rows = []
    for setting in SETTINGS:
        value = getattr(settings, setting.attribute)
        shown = (
            ""
            if value is None
            else "(given)"
            if setting.secret
            else f"{value:g}"
            if isinstance(value, float)
            else str(value)
        )
        rows.append(
            {
                "name": setting.given,
                "value": shown,
                "origin": settings.origins.get(setting.name, "default"),
                "environment": setting.environment,
                "meaning": setting.meaning,
            }
        )
    return rows
