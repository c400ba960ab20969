"""`csstream alerts`: who is told of alerts, checked and proved before one is needed."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from csstream.cli.options import Failure

if TYPE_CHECKING:
    from csstream.notify.config import Config, SinkConfig

FILE = click.Path(path_type=Path, dir_okay=False)


def read_config(file: Path) -> "Config":
    """The configuration; a usage error names every mistake at its line."""
    from csstream.notify.config import ConfigError, load

    try:
        return load(file)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


@click.group()
def alerts() -> None:
    """Who is told of alerts."""


@alerts.command("check")
@click.argument("file", type=FILE, envvar="CSSTREAM_ALERTS")
def alerts_check(file: Path) -> None:
    """Validate a configuration of `csstream notify`, and show who is told what."""
    config = read_config(file)
    click.echo(f"{file} is valid")
    for name, sink in config.sinks.items():
        click.echo(f"  {name:<16} {sink.kind.name}, {sink.settings.voice.language}{_pace(sink)}")
    for route in config.routes:
        what = [f"{route.severity} and above"] + [
            f"{noun} {', '.join(names)}"
            for noun, names in (("shops", route.shops), ("groups", route.groups), ("rules", route.rules))
            if names
        ]
        click.echo(f"  {'; '.join(what)} -> {', '.join(route.sinks)}")
    for doubt in config.doubts():
        click.echo(f"  perhaps not meant: {doubt}")


def _pace(sink: "SinkConfig") -> str:
    target = sink.target
    said = ""
    if target.rate.interval_ms > 0:
        said += f", at most {target.rate.burst + 60_000 // target.rate.interval_ms} messages a minute"
    if target.quiet is not None:
        said += f", quiet hours below {target.quiet.severity}"
    if target.fallback is not None:
        said += f", {target.fallback} after {target.fallback_after_ms // 1000} s"
    return said


@alerts.command("test")
@click.argument("file", type=FILE, envvar="CSSTREAM_ALERTS")
@click.option(
    "--sink", "names", multiple=True, required=True, metavar="NAME", help="Which one; `all` for all."
)
def alerts_test(file: Path, names: tuple[str, ...]) -> None:
    """Send a real message to a sink, and say what it answered.

    \b
    csstream alerts test alerts.toml --sink ops
    """
    config = read_config(file)
    for name in names:
        if name not in config.sinks and name != "all":
            raise click.UsageError(f"--sink {name}: there are {', '.join(config.sinks)}, and all")
    chosen = list(config.sinks) if "all" in names else list(dict.fromkeys(names))
    failed = []
    for name in chosen:
        ok, said = asyncio.run(_try(config.sinks[name]))
        click.echo(f"{name}: {'sent' if ok else 'not sent'} ({said})")
        if not ok:
            failed.append(name)
    if failed:
        raise Failure(f"{', '.join(failed)}: the message was not taken; see above")


async def _try(sink: "SinkConfig") -> tuple[bool, str]:
    from csstream.notify.message import Message, short_id
    from csstream.notify.notifier import wall_clock_ms

    now = wall_clock_ms()
    made = sink.make()
    try:
        answer = await made.send(Message(short_id("test", str(now)), "test", now, "info", []))
    finally:
        await made.close()
    return answer.ok, answer.said
