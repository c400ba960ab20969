"""`csstream notify`: alerts, to people."""

import asyncio
import logging
import sys
from pathlib import Path

import click

from csstream.cli.options import Failure, one, policy_options, port_option
from csstream.cli.told import BROKER, connection, reading, settings_options


@click.command()
@click.option(
    "--alerts",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    envvar="CSSTREAM_ALERTS",
    show_envvar=True,
    metavar="FILE",
    help="Who is told what: sinks and routes (TOML); csstream alerts check reads it.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where /metrics is served.")
@port_option("--port", 9465, "Of /metrics, /livez and /readyz")
@settings_options(*BROKER, "application", "topics.prefix")
@policy_options
def notify(
    file: Path,
    host: str,
    port: int,
    policies: tuple[str, ...],
    settings: tuple[str, ...],
    **given: str | None,
) -> None:
    """Tell people of alerts: read them from Kafka, send them to chat groups, webhooks and mail.

    \b
    csstream notify --alerts alerts.toml --broker 127.0.0.1:9092
    """
    from csstream.cli.alerts import read_config
    from csstream.exporter import ExporterError
    from csstream.notify.process import NotifyError, Options
    from csstream.notify.process import notify as run_notify

    told = reading(given)
    policy = one(policies, settings)
    config = read_config(file)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="csstream: %(message)s")

    def say(text: str) -> None:
        click.echo(f"csstream: {text}", err=True)

    for doubt in config.doubts():
        say(doubt)
    options = Options(connection(told), config, policy, told.application, told.topics_prefix, host, port)
    try:
        asyncio.run(run_notify(options, say))
    except (NotifyError, ExporterError) as error:
        raise Failure(str(error)) from error
