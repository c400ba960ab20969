"""What commands share: kinds of values, the policy options, and how a run fails in one line."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from csstream.policy import Policy, PolicyError, load, profiles, with_settings

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class Failure(click.ClickException):
    """A run that failed: one line on stderr, exit status 1."""

    def show(self, file: Any = None) -> None:
        """One line, whatever the message has."""
        click.echo(f"csstream: {' '.join(self.message.split())}", err=True, file=file)


class Span(click.ParamType):
    """A duration like `30s`, `10m`, `1h30m`, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, int | float):
            return float(value)
        parts = _SPAN.findall(value)
        if not parts or "".join(number + unit for number, unit in parts) != value:
            self.fail(f"{value!r} is no duration; write it like 30s, 10m or 1h30m", param, ctx)
        return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


class Instant(click.ParamType):
    """An instant: a date, a local date and time (in the policy's zone), or RFC 3339 with an offset."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """A datetime, without a zone where none was given."""
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is no time; write 2026-11-21, 2026-11-21T08:00 or add an offset", param, ctx
            )


def epoch_ms(at: datetime, policy: Policy) -> int:
    """An instant as epoch ms; local times in the zone of the policy."""
    local = at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(policy.timezone))
    return round(local.timestamp() * 1000)


def load_policies(names: tuple[str, ...], settings: tuple[str, ...]) -> tuple[Policy, ...]:
    """The policies asked for, with the settings. Raises a usage error that names place, value and way out."""
    try:
        return tuple(with_settings(load(name), settings) for name in names or ("handbook",))
    except PolicyError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.UsageError(
            f"policy {error.filename}: {error.strerror}; shipped are {', '.join(profiles())}"
        ) from error


def port_option(name: str, default: int, of: str = "") -> Callable[..., Any]:
    """A port to listen on; `of` says what is there."""
    said = f"{of}; 0 is any free one." if of else "0 is any free one."
    return click.option(name, type=click.IntRange(0, 65535), default=default, show_default=True, help=said)


def policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--policy` and `--set`."""
    for option in (
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="FIELD=VALUE",
            help="Any policy field, like long_wait=none (repeatable).",
        ),
        click.option(
            "--policy",
            "policies",
            multiple=True,
            metavar="NAME_OR_FILE",
            help=f"A shipped profile ({', '.join(profiles())}) or a TOML file. Default: handbook.",
        ),
    ):
        command = option(command)
    return command


def one(names: tuple[str, ...], settings: tuple[str, ...]) -> Policy:
    """The policy of a command that takes one only."""
    if len(names) > 1:
        raise click.UsageError("--policy: one policy at a time here; only replay compares several")
    return load_policies(names, settings)[0]
