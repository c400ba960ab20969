"""`csstream gateway`: events over HTTP into Kafka."""

import asyncio
import logging
from pathlib import Path

import click

from csstream.cli.intake import intake_options, token_of
from csstream.cli.options import Failure
from csstream.cli.told import BROKER, connection, reading, settings_options


@click.command()
@settings_options(*BROKER, "topics.prefix")
@intake_options
def gateway(
    host: str, port: int, names: tuple[str, ...], token_file: Path | None, **given: str | None
) -> None:
    """Events over HTTP into Kafka, for platforms that push: the endpoint of serve, in front of the topics.

    \b
    csstream gateway --broker 127.0.0.1:9092 --token-file token
    """
    from csstream.gateway.service import GatewayOptions
    from csstream.gateway.service import gateway as run
    from csstream.web.bearer import TokenError
    from csstream.web.server import ListenError

    told = reading(given)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    try:
        bearer = token_of(token_file)
        if bearer is None:
            raise click.UsageError("a token is needed: --token-file FILE, or CSSTREAM_TOKEN")
        options = GatewayOptions(
            connection=connection(told),
            bearer=bearer,
            prefix=told.topics_prefix,
            host=host,
            port=port,
            names=names,
        )
        asyncio.run(run(options, click.echo))
    except (ListenError, TokenError) as error:
        raise Failure(str(error)) from error
