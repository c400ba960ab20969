"""The configuration: one TOML file says who is told what, where and when.

It is refused whole with every mistake at its line, as a policy is: a route that is half understood is an alert that
nobody gets. Secrets do not stand in it. It names a file or a variable of the environment that holds each, so that
the file can be shown, reviewed and kept with the rest.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from csstream.core.floor import rulebook
from csstream.notify.address import url_fault
from csstream.notify.secret import Secret
from csstream.notify.sinks import KINDS, Field, Settings, Sink, SinkKind
from csstream.notify.sinks.mail import address_fault
from csstream.notify.target import Quiet, Rate, Route, Target, matches
from csstream.notify.wording import LANGUAGES, Voice
from csstream.policy import SEVERITIES
from csstream.policy.day_times import span
from csstream.policy.durations import duration_ms
from csstream.policy.key_lines import KeyLines
from csstream.policy.mistakes import nearest, quoted

TOP = ("language", "timezone", "wall_url", "sinks", "routes")
OF_SINK = (
    "kind", "language", "timezone", "mask_customers", "allow_private", "timeout", "per_minute", "quiet",
    "quiet_below", "fallback", "fallback_after",
)  # fmt: skip
"""What every sink may say."""
OF_ROUTE = ("sinks", "shops", "groups", "rules", "severity")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)


class ConfigError(ValueError):
    """A configuration that cannot be used; `problems` has one line for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class SinkConfig:
    """One sink: its kind, what it needs, and what the outbox has to know of it."""

    kind: SinkKind
    settings: Settings
    target: Target

    def make(self) -> Sink:
        """The sink itself."""
        return self.kind.make(self.settings)


@dataclass(frozen=True)
class Config:
    """Everything that the file says."""

    sinks: Mapping[str, SinkConfig]
    routes: tuple[Route, ...] = ()

    @property
    def targets(self) -> tuple[Target, ...]:
        """The sinks as the outbox sees them."""
        return tuple(sink.target for sink in self.sinks.values())

    def doubts(self) -> list[str]:
        """What is allowed, and probably not meant; one line each."""
        found = []
        for name in self.sinks:
            routes = [route for route in self.routes if name in route.sinks]
            lent = [other for other, sink in self.sinks.items() if sink.target.fallback == name]
            if not routes and not lent:
                found.append(f"sinks.{name}: no route leads to it, so it is never told anything")
            if any(matches("wait", route.rules) for route in routes):
                found += [
                    f"sinks.{name}: is told of waits and not of `{rule}`, which speaks for them while it stands"
                    for rule in ("storm", "feed_silent")
                    if not any(matches(rule, route.rules) for route in routes)
                ]
        return found


@dataclass
class _Reader:
    """Reads one file, and gathers its mistakes."""

    folder: Path
    environment: Mapping[str, str]
    problems: list[tuple[str, str]] = field(default_factory=list)

    def wrong(self, path: str, said: str) -> None:
        """Note a mistake."""
        self.problems.append((path, said))

    def text(self, value: object, path: str) -> str:
        """A text that is not empty."""
        if isinstance(value, str) and value.strip() and value.isprintable():
            return value
        self.wrong(path, f"must be a text, not {quoted(value)}")
        return ""

    def one_of(self, value: object, path: str, known: tuple[str, ...]) -> str:
        """One of the known words."""
        if value in known:
            return str(value)
        self.wrong(path, f"must be one of {', '.join(known)}, not {quoted(value)}")
        return known[0]

    def yes_no(self, value: object, path: str) -> bool:
        """true or false."""
        if not isinstance(value, bool):
            self.wrong(path, f"must be true or false, not {quoted(value)}")
        return value is True

    def number(self, value: object, path: str, least: int, most: int) -> int:
        """A whole number."""
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.wrong(path, f"must be a whole number from {least} to {most}, not {quoted(value)}")
        return least

    def duration(self, value: object, path: str) -> int:
        """A duration of at least 1 s, in ms."""
        return duration_ms(value, path, self.wrong) or 0

    def zone(self, value: object, path: str) -> str:
        """The name of a time zone."""
        try:
            ZoneInfo(value if isinstance(value, str) else "")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.wrong(path, f'must be a time zone, not {quoted(value)}: write "Asia/Shanghai"')
            return "UTC"
        return str(value)

    def names(self, value: object, path: str) -> tuple[str, ...]:
        """A list of texts that is not empty."""
        if isinstance(value, list) and value:
            return tuple(self.text(one, f"{path}[{number}]") for number, one in enumerate(value))
        self.wrong(path, f"must be a list of names, not {quoted(value)}; leave it out to take all")
        return ()

    def known(self, table: Mapping[str, object], path: str, names: tuple[str, ...]) -> None:
        """Refuse what is in a table and is none of the names."""
        for name in table:
            if name not in names:
                self.wrong(f"{path}{name}", f"is not known: {nearest(name, names)}")

    def tables(self, value: object, path: str) -> Mapping[str, dict[str, object]]:
        """Tables by name."""
        if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
            self.wrong(path, f"must be tables, not {quoted(value)}: write [{path}.NAME]")
            return {}
        return value

    def secret(self, table: Mapping[str, object], name: str, path: str, *, plain: bool) -> Secret | None:
        """A secret from the file or the variable that the table names; `plain`: it may stand in the table itself."""
        given = [key for key in (name, f"{name}_file", f"{name}_env") if key in table]
        if not given:
            return None
        key, at = given[0], f"{path}{given[0]}"
        if len(given) > 1:
            self.wrong(at, f"is said again by {given[1]}: leave one out")
        elif key == name and not plain:
            self.wrong(at, f"is a secret and must not stand here: write {name}_file or {name}_env")
        elif key == name:
            return Secret(self.text(table[key], at))
        elif source := self.text(table[key], at):
            return (
                self._from_file(source, at) if key.endswith("_file") else self._from_environment(source, at)
            )
        return None

    def _from_environment(self, source: str, at: str) -> Secret | None:
        found = self.environment.get(source, "").strip()
        if not found:
            self.wrong(at, f"names {source}, which is not in the environment, or empty")
            return None
        return Secret(found)

    def _from_file(self, source: str, at: str) -> Secret | None:
        try:
            found = (self.folder / source).expanduser().read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.wrong(at, f"names {source}, which cannot be read ({type(error).__name__})")
            return None
        if not found or "\n" in found:
            self.wrong(at, f"names {source}, which must hold the secret on one line and nothing else")
            return None
        return Secret(found)


def load(file: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration in a file. Raises `ConfigError` with every mistake at its line, and no secret in it.

    Names of files with secrets count from the file's own folder.
    """
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "is not UTF-8"
        raise ConfigError([f"{file}: cannot be read: {said}"]) from None
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise ConfigError([f"{file}: is not TOML: {error}"]) from None
    reader = _Reader(file.parent, environment)
    config = _config(reader, table)
    if reader.problems:
        keys = KeyLines(text)
        placed = sorted((keys.line(path), f"{path} {said}") for path, said in reader.problems)
        raise ConfigError([f"{file}:{line}: {said}" for line, said in placed])
    return config


def _config(reader: _Reader, table: dict[str, Any]) -> Config:
    reader.known(table, "", TOP)
    voice = Voice(
        reader.one_of(table.get("language", "zh"), "language", LANGUAGES),
        reader.zone(table.get("timezone", "Asia/Shanghai"), "timezone"),
        _wall(reader, table["wall_url"]) if "wall_url" in table else None,
    )
    sinks = reader.tables(table.get("sinks", {}), "sinks")
    if not sinks:
        reader.wrong("sinks", 'is missing: write [sinks.NAME] with a `kind`, like kind = "console"')
    routes = tuple(_routes(reader, table.get("routes"), tuple(sinks)))
    made = {name: _sink(reader, name, sinks, voice, routes) for name in sinks}
    for name in made:
        seen = [name]
        while (following := made[seen[-1]].target.fallback) in made and following is not None:
            if following in seen:
                reader.wrong(f"sinks.{name}.fallback", "goes in a circle: the last one must have none")
                break
            seen.append(following)
    return Config(made, routes)


def _wall(reader: _Reader, value: object) -> str | None:
    url = reader.text(value, "wall_url")
    if not re.fullmatch(r"https?://[!#-&*-;=?-Z_a-z~]+", url):
        reader.wrong(
            "wall_url", 'must be a URL like "https://wall.example.com/", without brackets and spaces'
        )
    return url


def _routes(reader: _Reader, value: object, sinks: tuple[str, ...]) -> list[Route]:
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        reader.wrong("routes", 'is missing: write [[routes]] with sinks = ["NAME"], else nobody is told')
        return []
    routes = []
    for number, table in enumerate(value):
        path = f"routes[{number}]."
        reader.known(table, path, OF_ROUTE)
        lists: dict[str, tuple[str, ...]] = {
            name: reader.names(table[name], f"{path}{name}")
            for name in ("sinks", "shops", "groups", "rules")
            if name in table
        }
        if "sinks" not in table:
            reader.wrong(f"{path}sinks", 'is missing: write sinks = ["NAME"]')
        for at, name in enumerate(lists.get("sinks", ())):
            if name and name not in sinks:
                reader.wrong(f"{path}sinks[{at}]", f"is no sink: {nearest(name, sinks) if sinks else 'none'}")
        for at, name in enumerate(lists.get("rules", ())):
            if name and not set(name) & set("*?[") and name not in rulebook.all_names():
                reader.wrong(f"{path}rules[{at}]", f"is no rule: {nearest(name, rulebook.all_names())}")
        severity = reader.one_of(table.get("severity", "info"), f"{path}severity", SEVERITIES)
        routes.append(Route(severity=severity, **{"sinks": (), **lists}))
    return routes


def _sink(
    reader: _Reader,
    name: str,
    sinks: Mapping[str, dict[str, object]],
    voice: Voice,
    routes: tuple[Route, ...],
) -> SinkConfig:
    table, path = sinks[name], f"sinks.{name}."
    if not _NAME.fullmatch(name):
        reader.wrong(path[:-1], "must be named in small letters, digits, - and _, like ops-1")
    if "kind" not in table:
        reader.wrong(f"{path}kind", f"is missing: one of {', '.join(KINDS)}")
    kind = KINDS[reader.one_of(table.get("kind", "console"), f"{path}kind", tuple(KINDS))]
    own = [spelt for one in kind.fields for spelt in _spelt(one)]
    reader.known(table, path, (*OF_SINK, *own))

    def given(key: str, read: Callable[[object, str], Any], default: Any) -> Any:
        return read(table[key], path + key) if key in table else default

    settings = Settings(
        name,
        Voice(
            given("language", lambda value, at: reader.one_of(value, at, LANGUAGES), voice.language),
            given("timezone", reader.zone, voice.zone),
            voice.wall_url,
            given("mask_customers", reader.yes_no, True),
        ),
        given("allow_private", reader.yes_no, False),
        given("timeout", reader.duration, 10_000) / 1000,
    )
    fields = _fields(reader, kind, table, path, settings.allow_private)
    target = Target(
        name,
        routes,
        given("per_minute", lambda value, at: Rate.of(reader.number(value, at, 2, 100_000)), kind.rate),
        _quiet(reader, table, path, settings.voice.zone),
        kind.most,
        kind.refresh_ms,
        given("fallback", lambda value, at: _fallback(reader, value, at, name, tuple(sinks)), None),
        given("fallback_after", reader.duration, 300_000),
    )
    if "fallback_after" in table and "fallback" not in table:
        reader.wrong(f"{path}fallback_after", "has no use without fallback")
    return SinkConfig(
        kind,
        Settings(name, settings.voice, settings.allow_private, settings.timeout_s, **fields),
        target,
    )


def _spelt(one: Field) -> tuple[str, ...]:
    """How a field may be written."""
    sources = (f"{one.name}_file", f"{one.name}_env")
    if one.form in {"secret", "secret_url"}:
        return (*sources, one.name)
    return (one.name, *sources) if one.form == "url" else (one.name,)


def _fields(
    reader: _Reader, kind: SinkKind, table: Mapping[str, object], path: str, allow_private: bool
) -> dict[str, dict[str, Any]]:
    """The fields of the kind, by form."""
    texts: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, int] = {}
    secrets: dict[str, Secret] = {}
    for one in kind.fields:
        at = path + one.name
        value = table.get(one.name)
        if one.form in {"url", "secret_url", "secret"}:
            secret = reader.secret(table, one.name, path, plain=one.form == "url")
            if secret is not None:
                secrets[one.name] = secret
                if one.form != "secret" and (fault := url_fault(secret.text(), allow_private=allow_private)):
                    reader.wrong(at, fault)
            elif one.required and not any(spelt in table for spelt in _spelt(one)):
                reader.wrong(at, f"is missing: write {' or '.join(_spelt(one)[:2])}")
        elif value is None:
            if one.required:
                reader.wrong(at, "is missing")
        elif one.form == "number":
            numbers[one.name] = reader.number(value, at, 1, 65_535)
        elif one.form == "choice":
            texts[one.name] = reader.one_of(value, at, one.choices)
        elif one.form == "addresses":
            lists[one.name] = reader.names(value, at)
            for number, address in enumerate(lists[one.name]):
                if address and (fault := address_fault(address)):
                    reader.wrong(f"{at}[{number}]", fault)
        else:
            texts[one.name] = reader.text(value, at)
            if one.form == "address" and texts[one.name] and (fault := address_fault(texts[one.name])):
                reader.wrong(at, fault)
    return {"texts": texts, "lists": lists, "numbers": numbers, "secrets": secrets}


def _quiet(reader: _Reader, table: Mapping[str, object], path: str, zone: str) -> Quiet | None:
    below = reader.one_of(table.get("quiet_below", "critical"), f"{path}quiet_below", SEVERITIES)
    if "quiet" not in table:
        if "quiet_below" in table:
            reader.wrong(f"{path}quiet_below", 'has no use without quiet = "22:00-08:00"')
        return None
    hours = span("none", over_midnight=True).read(table["quiet"], f"{path}quiet", reader.wrong)
    return None if hours is None else Quiet(hours[0], hours[1], below, zone)


def _fallback(reader: _Reader, value: object, path: str, name: str, sinks: tuple[str, ...]) -> str | None:
    others = tuple(other for other in sinks if other != name)
    if value in others:
        return str(value)
    reader.wrong(path, f"must be another sink, not {quoted(value)}: {', '.join(others) or 'there is none'}")
    return None
