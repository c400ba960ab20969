"""`csstream settings`: how a process would run, and who said so."""

import json
import os

import click
from rich.console import Console
from rich.table import Table

from csstream.cli.told import reading, settings_options
from csstream.settings import table


@click.command()
@settings_options()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def settings(as_json: bool, **given: str | None) -> None:
    """All settings, each with its value and where that is from: a flag, the environment, the file, or the default.

    Secrets are named as files, and never printed.

    \b
    csstream settings --config csstream.toml
    CSSTREAM_BROKER=kafka:9092 csstream settings --json
    """
    rows = table(reading(given))
    if as_json:
        click.echo(json.dumps(rows))
        return
    shown = Table("setting", "value", "from", "meaning")
    for row in rows:
        shown.add_row(row["name"], row["value"], row["origin"], row["meaning"])
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = int(os.environ.get("COLUMNS", "160"))
    console.print(shown)
