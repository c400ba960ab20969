"""The command line: one function a command (SPEC 10).

Exit status: 0 done; 1 a run that failed, with one line on stderr; 2 wrong usage or an invalid policy. Commands
import their driver when they run, so that `csstream --help` and a policy check do not wait for it.
"""

import asyncio
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

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

from csstream import __version__
from csstream.policy import Policy, PolicyError, describe, load, profiles, with_settings

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


def _epoch_ms(at: datetime, policy: Policy) -> int:
    local = at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(policy.timezone))
    return round(local.timestamp() * 1000)


def _policies(names: tuple[str, ...], settings: tuple[str, ...]) -> tuple[Policy, ...]:
    try:
        return tuple(with_settings(load(name), settings) for name in names or ("handbook",))
    except PolicyError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.UsageError(
            f"policy {error.filename}: {error.strerror}; shipped are {', '.join(profiles())}"
        ) from error


def _policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
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


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="csstream")
def cli() -> None:
    """Who waits in the chat, for how long, and what it costs: live, and the same in every audit."""


# ---- demo -----------------------------------------------------------------------------------------------------


@cli.command()
@click.option("--for", "for_s", type=Span(), help="Stop by itself after this time, like 30s.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    help="Simulated seconds a second. Default 1; 60 with --log.",
)
@click.option(
    "--log", "log", metavar="FILE", help="Play this log (.jsonl, .gz, .zst, -) instead of a simulated shop."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, another day.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9464,
    show_default=True,
    help="Of /metrics on 127.0.0.1; 0 is any free one.",
)
@click.option(
    "--plain", is_flag=True, help="Lines instead of a screen (the default where there is no terminal)."
)
@_policy_options
def demo(
    for_s: float | None,
    speed: float | None,
    log: str | None,
    seed: int,
    port: int,
    plain: bool,
    policies: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """A simulated shop, live in the terminal, in this one process. Ctrl-C ends it.

    \b
    csstream demo --speed 5 --for 1m
    csstream demo --log shop.jsonl --speed 60
    """
    from csstream.serve.demo import DemoError, DemoOptions
    from csstream.serve.demo import demo as run_demo

    policy = _one(policies, settings)
    options = DemoOptions(policy=policy, seed=seed, speed=speed, for_s=for_s, log=log, port=port, plain=plain)
    try:
        asyncio.run(run_demo(options))
    except DemoError as error:
        raise Failure(str(error)) from error


def _one(names: tuple[str, ...], settings: tuple[str, ...]) -> Policy:
    if len(names) > 1:
        raise click.UsageError("--policy: one policy at a time here; only replay compares several")
    return _policies(names, settings)[0]


# ---- simulate -------------------------------------------------------------------------------------------------


@cli.command()
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same bytes.")
@click.option("--messages", type=click.IntRange(min=1), help="Stop after so many messages.")
@click.option(
    "--hours", type=click.FloatRange(min=0, min_open=True), help="Stop after so many hours of event time."
)
@click.option("--shops", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--agents", type=click.IntRange(min=1), default=8, show_default=True, help="A shop.")
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Customers an hour and shop, mean over the day.",
)
@click.option(
    "--start",
    type=Instant(),
    default="2026-11-21T00:00:00+08:00",
    show_default=True,
    help="First event time.",
)
@click.option(
    "--disorder",
    type=Span(),
    default="0s",
    show_default=True,
    help="How far an event may come behind a later one.",
)
@click.option(
    "--duplicates",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of events sent twice.",
)
@click.option("--bots", type=click.FloatRange(0, 1), help="Share of customers a bot answers first.")
@click.option("--transfers", type=click.FloatRange(0, 1), help="Share of customers handed on by hand.")
@click.option("--spam", type=click.FloatRange(0, 1), help="Share of adverts among arrivals.")
@click.option(
    "--presence/--no-presence", default=True, show_default=True, help="With presence, shifts and profiles."
)
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file (.gz by its name); default is standard output.",
)
def simulate(start: datetime, disorder: float, rate: float | None, out: Path | None, **given: Any) -> None:
    """A shop's traffic, seeded: as JSON lines to a file or standard output.

    \b
    csstream simulate --messages 100000 -o day.jsonl
    csstream simulate --hours 24 --shops 8 --disorder 5s --duplicates 0.02 -o days.jsonl.gz
    """
    from csstream.simulate import Plan, lines

    start_ms = _epoch_ms(start, load("handbook"))
    if given["messages"] is None and given["hours"] is None:
        given["hours"] = 24.0
    try:
        plan = Plan(
            start_ms=start_ms,
            disorder_ms=round(disorder * 1000),
            customers_per_hour=rate,
            **{name: value for name, value in given.items() if value is not None},
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with _writing(out) as stream:
        for line in lines(plan):
            stream.write(line)
            stream.write(b"\n")


@contextmanager
def _writing(out: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that has its name only when it is whole."""
    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    import gzip

    part = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with part.open("wb") as raw:
            if out.suffix == ".gz":
                with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                    yield packed  # type: ignore[misc]  # a writable binary stream all the same
            else:
                yield raw
        part.replace(out)
    except OSError as error:
        raise Failure(f"{out}: {error.strerror}; is the folder there, and is there space?") from error
    finally:
        part.unlink(missing_ok=True)


# ---- replay ---------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the results.",
)
@_policy_options
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

    LOG is a .jsonl file, plain, .gz or .zst, or - for standard input. Several --policy compare what-if side by side.

    \b
    csstream replay day.jsonl --out audit/
    csstream replay *.jsonl.gz --out audit/ --policy tmall --set long_wait=none
    csstream replay day.jsonl --out what-if/ --policy handbook --policy jd
    """
    from csstream.replay.job import Job, ReplayError
    from csstream.replay.run import run

    chosen = _policies(policies, settings)
    try:
        job = Job(
            inputs=logs,
            out=out,
            policies=chosen,
            workers=workers or len(os.sched_getaffinity(0)),
            from_ms=None if since is None else _epoch_ms(since, chosen[0]),
            to_ms=None if until is None else _epoch_ms(until, chosen[0]),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        with _progress_bar(quiet) as show:
            summary = run(job, show)
    except ReplayError as error:
        raise Failure(str(error)) from error
    if as_json:
        click.echo(json.dumps(asdict(summary), default=str, ensure_ascii=False))
    elif not quiet:
        _print_summary(summary)


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


# ---- import ---------------------------------------------------------------------------------------------------


@cli.command("import")
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
                with _writing(out) as stream:
                    result = foreign.convert(sources, mapping, stream, spread=spread, sort=sort, rejects=bad)
    except foreign.MappingError as error:
        raise click.UsageError(str(error)) from error
    except foreign.LogError as error:
        raise Failure(str(error)) from error
    # Standard output belongs to the events where they go there.
    to_stderr = out is None and not check
    if as_json:
        click.echo(json.dumps(asdict(result), default=str, ensure_ascii=False), err=to_stderr)
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
        with _writing(path) as stream:
            yield stream


# ---- topics ---------------------------------------------------------------------------------------------------


@cli.command()
@click.option(
    "--broker",
    default="127.0.0.1:9092",
    show_default=True,
    envvar="CSSTREAM_BROKER",
    show_envvar=True,
    metavar="HOST:PORT,...",
)
@click.option(
    "--partitions",
    type=click.IntRange(min=1),
    help="Of topics made anew. Default: 12, or as the inputs have.",
)
@click.option("--plan", "planning", is_flag=True, help="Change nothing; print what would be done.")
@click.option("--check", is_flag=True, help="Change nothing; exit status 1 unless all is as it must be.")
def topics(broker: str, partitions: int | None, planning: bool, check: bool) -> None:
    """Create and check the Kafka topics: equal partitions, compaction, retention, copies.

    \b
    csstream topics --broker 127.0.0.1:9092 --plan
    csstream topics --broker 127.0.0.1:9092 --partitions 24
    """
    from csstream.kafka import topics as kafka
    from csstream.ledgers.kafka import Connection, UnreachableError

    # Of a broker that is away, our own error says all there is to say.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    if planning and check:
        raise click.UsageError("--plan or --check, not both")
    connection = Connection(broker)
    try:
        if planning or check:
            changes = asyncio.run(kafka.check(connection, asked=partitions))
        else:
            changes = asyncio.run(kafka.ensure(connection, asked=partitions))
    except (kafka.TopicsError, UnreachableError) as error:
        raise Failure(str(error)) from error
    for change in changes:
        click.echo(change.line(broker))
    if not changes:
        click.echo("all topics are as they must be")
    elif check:
        raise Failure(f"{len(changes)} topics are not as they must be; csstream topics mends what is ours")


# ---- policy ---------------------------------------------------------------------------------------------------


@cli.group()
def policy() -> None:
    """Thresholds as data."""


@policy.command("check")
@click.argument("file", metavar="FILE")
@_policy_options
@click.option("--json", "as_json", is_flag=True, help="Print every field as JSON.")
def policy_check(file: str, policies: tuple[str, ...], settings: tuple[str, ...], as_json: bool) -> None:
    """Validate a policy (a file, or the name of a shipped profile), and show what it says."""
    if policies:
        raise click.UsageError("policy check takes one FILE, no --policy")
    checked = _policies((file,), settings)[0]
    fields = describe(checked)
    if as_json:
        click.echo(json.dumps({"tag": checked.tag, **fields}, ensure_ascii=False))
        return
    click.echo(f"{checked.tag} is valid")
    for field, value in fields.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        click.echo(f"  {field:<28} {shown}")


def _terminate(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The entry point: what goes wrong ends in one line, not in a trace."""
    # A polite request to end is met like Ctrl-C: half-written files are cleared away.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        click.echo("csstream: interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("csstream: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more can be written, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
