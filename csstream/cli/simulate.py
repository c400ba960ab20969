"""`csstream simulate`: traffic to a file, to standard output, or to Kafka."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from csstream.cli.options import Failure, Instant, Span, epoch_ms
from csstream.cli.output import writing
from csstream.cli.told import BROKER, connection, reading, settings_options
from csstream.policy import load


@click.command()
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
@click.option(
    "--orders", type=click.FloatRange(0, 1), help="Share of served customers who order; 0: no orders."
)
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
@click.option("--to", "to", type=click.Choice(["kafka"]), help="Write the events to their topics instead.")
@click.option(
    "--live",
    is_flag=True,
    help="With --to kafka: from now on (or --start), each event when its time has come.",
)
@settings_options(*BROKER, "topics.prefix")
def simulate(
    start: datetime,
    disorder: float,
    rate: float | None,
    out: Path | None,
    to: str | None,
    live: bool,
    **given: Any,
) -> None:
    """A shop's traffic, seeded: as JSON lines to a file or standard output, or to the topics.

    \b
    csstream simulate --messages 100000 -o day.jsonl
    csstream simulate --hours 24 --shops 8 --disorder 5s --duplicates 0.02 -o days.jsonl.gz
    csstream simulate --messages 10000 --to kafka --broker 127.0.0.1:9092
    csstream simulate --to kafka --live
    """
    from csstream.simulate import Plan, lines

    if live and to is None:
        raise click.UsageError("--live goes with --to kafka")
    if live and click.get_current_context().get_parameter_source("start") is ParameterSource.DEFAULT:
        start = datetime.now(UTC)
    told = {name: given.pop(name) for name in tuple(given) if name.startswith("setting_")}
    start_ms = epoch_ms(start, load("handbook"))
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
    if to is not None:
        if out is not None:
            raise click.UsageError("--to kafka or --out FILE, not both")
        _deliver(told, lines(plan), live)
        return
    with writing(out) as stream:
        for line in lines(plan):
            stream.write(line)
            stream.write(b"\n")


def _deliver(told: dict[str, str | None], events: Iterable[bytes], live: bool) -> None:
    from csstream.kafka.deliver import DeliveryError, deliver
    from csstream.ledgers.kafka import UnreachableError

    settings = reading(told)
    try:
        number = asyncio.run(deliver(connection(settings), events, settings.topics_prefix, live=live))
    except (DeliveryError, UnreachableError) as error:
        raise Failure(str(error)) from error
    click.echo(f"{number} events written to {settings.broker}", err=True)
