"""`csstream import`: foreign logs to events."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import click

from csstream.cli.options import Failure
from csstream.cli.output import print_json, writing


@click.command("import")
@click.argument("logs", nargs=-1, metavar="LOG...")
@click.option("--format", "name", metavar="NAME", help="A shipped mapping; without LOG: what it is for.")
@click.option(
    "--mapping",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.toml",
    help="Your own mapping.",
)
@click.option("--list", "listing", is_flag=True, help="List the shipped formats.")
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file (.gz by its name); default is standard output.",
)
@click.option("--check", is_flag=True, help="Write nothing; list the first bad rows.")
@click.option(
    "--spread", is_flag=True, help="Logs in whole seconds: 1 ms more per further row of a customer's second."
)
@click.option("--sort/--no-sort", default=True, show_default=True, help="In order of time, or of the file.")
@click.option("--shop", help="The shop, where the log does not say it.")
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Bad rows as JSON lines.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON (to stderr without --out).")
def import_(
    logs: tuple[str, ...],
    name: str | None,
    file: Path | None,
    listing: bool,
    out: Path | None,
    check: bool,
    spread: bool,
    sort: bool,
    shop: str | None,
    rejects: Path | None,
    as_json: bool,
) -> None:
    """Turn a foreign log (CSV, JSON lines, Parquet, Excel) into events.

    \b
    csstream import orders.csv --format tmall-orders --out orders.jsonl
    csstream import chat.xlsx --mapping mine.toml --check
    """
    from csstream import logs as foreign

    if listing:
        for known in foreign.formats():
            click.echo(f"{known:<16} {foreign.shipped(known).about}")
        return
    if (name is None) == (file is None):
        raise click.UsageError(f"give --format ({', '.join(foreign.formats())}) or --mapping FILE.toml")
    try:
        mapping = foreign.shipped(name) if name is not None else foreign.load_mapping(file or Path())
        if shop is not None:
            mapping = mapping.with_constants(shop=shop)
    except foreign.MappingError as error:
        raise click.UsageError(str(error)) from error
    if not logs:
        raise click.UsageError(f"name the log to read; {mapping.name}: {mapping.about}")
    sources: list[Any] = ["-" if log == "-" else Path(log) for log in logs]
    try:
        with _rejects(rejects) as bad:
            if check:
                result = foreign.convert(
                    sources, mapping, None, spread=spread, sort=sort, check=True, rejects=bad
                )
            else:
                with writing(out) as stream:
                    result = foreign.convert(sources, mapping, stream, spread=spread, sort=sort, rejects=bad)
    except foreign.MappingError as error:
        raise click.UsageError(str(error)) from error
    except foreign.LogError as error:
        raise Failure(str(error)) from error
    # Standard output belongs to the events where they go there.
    to_stderr = out is None and not check
    if as_json:
        print_json(asdict(result), err=to_stderr)
        return
    click.echo(
        f"{result.rows:,} rows, {result.events:,} events, {result.rejected:,} rejected, {result.skipped:,} skipped, "
        f"{result.duplicates:,} said twice",
        err=to_stderr,
    )
    for bad_row in result.rejects:
        click.echo(f"  {bad_row}", err=to_stderr)
    for note in result.notes:
        click.echo(f"note: {note}", err=to_stderr)
    if check and result.rejected:
        raise Failure(f"{result.rejected} rows would be rejected; mend the mapping or the log")


@contextmanager
def _rejects(path: Path | None) -> Iterator[BinaryIO | None]:
    if path is None:
        yield None
    else:
        with writing(path) as stream:
            yield stream
