"""`csstream notify`: alerts, to people."""

import asyncio
import logging
import sys
from pathlib import Path

import click

from csstream.cli.options import Failure, one, policy_options


@click.command()
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    envvar="CSSTREAM_NOTIFY",
    show_envvar=True,
    help="Who is told what: sinks and routes (TOML); csstream alerts check reads it.",
)
@click.option(
    "--broker",
    default="127.0.0.1:9092",
    show_default=True,
    envvar="CSSTREAM_BROKER",
    show_envvar=True,
    metavar="HOST:PORT,...",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where /metrics is served.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9465,
    show_default=True,
    help="Of /metrics, /livez and /readyz; 0 is any free one.",
)
@policy_options
def notify(
    file: Path,
    broker: str,
    host: str,
    port: int,
    policies: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Tell people of alerts: read them from Kafka, send them to chat groups, webhooks and mail.

    \b
    csstream notify --config notify.toml --broker 127.0.0.1:9092
    """
    from csstream.cli.alerts import read_config
    from csstream.exporter import ExporterError
    from csstream.ledgers.kafka import Connection
    from csstream.notify.process import NotifyError, Options
    from csstream.notify.process import notify as run_notify

    policy = one(policies, settings)
    config = read_config(file)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="csstream: %(message)s")
    # Of a broker that is away, our own error says all there is to say.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    def say(text: str) -> None:
        click.echo(f"csstream: {text}", err=True)

    for doubt in config.doubts():
        say(doubt)
    options = Options(Connection(broker), config, policy, host, port)
    try:
        asyncio.run(run_notify(options, say))
    except (NotifyError, ExporterError) as error:
        raise Failure(str(error)) from error
