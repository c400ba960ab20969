"""`csstream explain`: the messages behind a figure."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from csstream.cli.options import Failure
from csstream.cli.output import print_json


@click.command()
@click.argument("fact", metavar="FACT")
@click.option(
    "--audit",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder that `csstream replay --out` wrote.",
)
@click.option(
    "--log", "logs", multiple=True, metavar="LOG", help="Where the log is now, if it was moved (repeatable)."
)
@click.option("--text", is_flag=True, help="Show what was said, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the fact and its events as JSON.")
def explain(fact: str, audit: Path, logs: tuple[str, ...], text: bool, as_json: bool) -> None:
    """Show the messages behind a figure: a fact or an alert by its id, and its customer's events around it.

    Events that the fact names as its evidence are marked with *.

    \b
    csstream explain 'wait|s01|c7|1795190403980|m12' --audit audit/
    """
    from csstream.replay.explain import deed, shown
    from csstream.replay.explain import explain as explained
    from csstream.replay.job import ReplayError
    from csstream.replay.outputs import Output

    try:
        output = Output(audit)
        found = explained(output, fact, logs)
    except ReplayError as error:
        raise Failure(str(error)) from error
    if as_json:
        events = [
            {
                "file": line.file,
                "line": line.line,
                "evidence": line.evidence,
                "event": shown(line.event, text),
            }
            for line in found.lines
        ]
        print_json({"fact": found.fact, "events": events})
        return
    zone = ZoneInfo(output.policy["timezone"])
    for name, value in found.fact.items():
        click.echo(f"{name:<16} {_told(name, value, zone)}")
    click.echo("")
    for line in found.lines:
        said = (getattr(line.event, "text", None) or "") if text else ""
        click.echo(
            f"{'*' if line.evidence else ' '} {_at(line.event.ts_ms, zone)}  {deed(line.event):<32} "
            f"{line.event.id}  {line.file}:{line.line}{'  ' + repr(said) if said else ''}"
        )


def _at(ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(ms / 1000, zone).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


_INSTANTS = frozenset({"ts", "since", "until", "end", "start", "due", "created", "paid", "shipped", "lost"})


def _told(name: str, value: Any, zone: ZoneInfo) -> str:
    if name in _INSTANTS and isinstance(value, int):
        return f"{value}  {_at(value, zone)}"
    return str(value) if not isinstance(value, list) else ", ".join(map(str, value))
