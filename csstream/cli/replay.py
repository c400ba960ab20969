"""`csstream replay`: an audit of logs."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from csstream.cli.options import Failure, Instant, epoch_ms, load_policies, policy_options
from csstream.cli.output import print_json
from csstream.cli.told import connection, reading

KAFKA = "kafka://"


@click.command()
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the results.",
)
@policy_options
@click.option("--workers", type=click.IntRange(min=1), help="Processes. Default: one a core.")
@click.option("--from", "since", type=Instant(), help="Only events at or after this time.")
@click.option("--to", "until", type=Instant(), help="Only events before this time.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--quiet", is_flag=True, help="No progress, no summary.")
def replay(
    logs: tuple[str, ...],
    out: Path,
    policies: tuple[str, ...],
    settings: tuple[str, ...],
    workers: int | None,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Audit logs of events: every figure of every agent and day, and the facts behind it.

    LOG is a .jsonl file, plain, .gz or .zst, - for standard input, or the topics themselves: kafka://HOST:PORT, with
    a prefix of their names after a slash. Several --policy compare what-if side by side.

    \b
    csstream replay day.jsonl --out audit/
    csstream replay *.jsonl.gz --out audit/ --policy tmall --set long_wait=none
    csstream replay day.jsonl --out what-if/ --policy handbook --policy jd
    csstream replay kafka://127.0.0.1:9092 --from 2026-11-21 --out audit/
    """
    from csstream.replay.job import Job, ReplayError
    from csstream.replay.run import run

    chosen = load_policies(policies, settings)
    from_ms = None if since is None else epoch_ms(since, chosen[0])
    try:
        job = Job(
            inputs=logs,
            out=out,
            policies=chosen,
            workers=workers or len(os.sched_getaffinity(0)),
            opened={log: _topics(log, from_ms) for log in logs if log.startswith(KAFKA)},
            from_ms=from_ms,
            to_ms=None if until is None else epoch_ms(until, chosen[0]),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        with _progress_bar(quiet) as show:
            summary = run(job, show)
    except ReplayError as error:
        raise Failure(str(error)) from error
    if as_json:
        print_json(asdict(summary))
    elif not quiet:
        _print_summary(summary)


def _topics(log: str, from_ms: int | None) -> BinaryIO:
    """The records of the inputs at a broker as lines; how it is reached is said by the environment and its file."""
    from csstream.kafka.log import LogStream
    from csstream.kafka.topics import named

    broker, _, prefix = log.removeprefix(KAFKA).partition("/")
    told = reading({"setting_broker": broker})
    stream = LogStream(connection(told), named(prefix or told.topics_prefix)[0], from_ms)
    return cast("BinaryIO", stream)


@contextmanager
def _progress_bar(quiet: bool) -> Iterator[Callable[[Any], None] | None]:
    """A bar with rate and time left, on a terminal only."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    with Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bar:
        tasks: dict[str, Any] = {}

        def show(progress: Any) -> None:
            task = tasks.get(progress.phase)
            if task is None:
                task = tasks[progress.phase] = bar.add_task(progress.phase, total=progress.total, rate="")
            elapsed = bar.tasks[tasks[next(iter(tasks))]].elapsed or 0
            rate = f"{progress.lines / elapsed:,.0f} lines/s" if elapsed > 0.5 else ""
            bar.update(task, completed=progress.done, total=progress.total, rate=rate)

        yield show


def _print_summary(summary: Any) -> None:
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console.width = 120  # a file has no edge
    counts = summary.counts
    for tag, folder, shops in zip(summary.policies, summary.folders, summary.shops, strict=True):
        table = Table(title=f"{tag}: {folder}", title_justify="left")
        table.add_column("shop")
        for name in ("consulted", "replied", "waits", "within 30 s", "responses", "mean s", "p90 s"):
            table.add_column(name, justify="right")
        for row in shops[:20]:
            table.add_row(
                row["shop"],
                f"{row['consulted']:,}",
                _share(row["replied_any"], row["consulted"]),
                f"{row['waits']:,}",
                _share(row["within_30"], row["waits"]),
                f"{row['responses']:,}",
                _seconds(row["response_mean_s"]),
                _seconds(row["response_p90_s"]),
            )
        if len(shops) > 20:
            table.caption = f"and {len(shops) - 20} more shops in shops.csv"
        console.print(table)
    rejected = sum(summary.dead_letters.values())
    rate = counts.get("lines", 0) / summary.seconds if summary.seconds else 0
    console.print(
        f"{counts.get('lines', 0):,} lines in {summary.seconds:.1f} s ({rate:,.0f}/s), {rejected:,} set aside",
        highlight=False,
    )
    for letter in summary.examples[:5]:
        console.print(
            f"  {letter['file']}:{letter['line']}: {letter['reason']}: {letter['error']}",
            highlight=False,
            markup=False,
        )
    if rejected:
        console.print(
            f"  all of them, with their lines: {summary.folders[0] / 'dead_letters.jsonl'}", highlight=False
        )
    for note in summary.notes:
        console.print(f"note: {note}", highlight=False, markup=False)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "–"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.3f}"
