"""`csstream topics`: what must exist on Kafka."""

import asyncio
from dataclasses import replace

import click

from csstream.cli.options import Failure
from csstream.cli.told import BROKER, connection, reading, settings_options


@click.command()
@settings_options(*BROKER, "topics.prefix")
@click.option(
    "--partitions",
    type=click.IntRange(min=1),
    help="Of topics made anew. Default: 12, or as the inputs have.",
)
@click.option("--plan", "planning", is_flag=True, help="Change nothing; print what would be done.")
@click.option("--check", is_flag=True, help="Change nothing; exit status 1 unless all is as it must be.")
def topics(partitions: int | None, planning: bool, check: bool, **given: str | None) -> None:
    """Create and check the Kafka topics: equal partitions, compaction, retention, copies.

    \b
    csstream topics --broker 127.0.0.1:9092 --plan
    csstream topics --broker 127.0.0.1:9092 --partitions 24
    """
    from csstream.kafka import topics as kafka
    from csstream.ledgers.kafka import UnreachableError

    if planning and check:
        raise click.UsageError("--plan or --check, not both")
    told = reading(given)
    reached = connection(told)
    notified = replace(kafka.NOTIFIED, name=f"{told.topics_prefix}notified")
    wanted = (*kafka.named(told.topics_prefix)[2], notified)
    try:
        if planning or check:
            changes = asyncio.run(kafka.check(reached, wanted, asked=partitions))
        else:
            changes = asyncio.run(kafka.ensure(reached, wanted, asked=partitions))
    except (kafka.TopicsError, UnreachableError) as error:
        raise Failure(str(error)) from error
    for change in changes:
        click.echo(change.line(told.broker))
    if not changes:
        click.echo("all topics are as they must be")
    elif check:
        raise Failure(f"{len(changes)} topics are not as they must be; csstream topics mends what is ours")
