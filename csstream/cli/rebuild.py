"""`csstream rebuild`: rows that were lost, made anew."""

import asyncio

import click

from csstream.cli.options import Failure, one, policy_options
from csstream.cli.told import BROKER, connection, reading, settings_options


@click.command()
@settings_options(*BROKER, "application", "topics.prefix")
@click.option("--shop", help="Only the rows of this shop. Default: all.")
@policy_options
def rebuild(
    shop: str | None, policies: tuple[str, ...], settings: tuple[str, ...], **given: str | None
) -> None:
    """Make lost state of the workers anew from the topics; nothing is published twice.

    All workers have to be stopped. What was published already is not sent again, and a worker goes on from there.

    \b
    csstream rebuild --broker 127.0.0.1:9092
    csstream rebuild --shop lamps
    """
    from csstream.kafka.rebuild import LedgerError, RebuildError, TopicsError
    from csstream.kafka.rebuild import rebuild as make_anew
    from csstream.ledgers.kafka import UnreachableError

    told = reading(given)
    policy = one(policies, settings)
    try:
        suffices = asyncio.run(make_anew(connection(told), policy, told, shop=shop, say=click.echo))
    except (RebuildError, TopicsError, UnreachableError, LedgerError) as error:
        raise Failure(str(error)) from error
    click.echo(suffices)
