"""`csstream worker`: live figures and alerts from Kafka."""

import asyncio
import logging
import sys

import click

from csstream.cli.options import Failure, one, policy_options


@click.command()
@click.option(
    "--broker",
    default="127.0.0.1:9092",
    show_default=True,
    envvar="CSSTREAM_BROKER",
    show_envvar=True,
    metavar="HOST:PORT,...",
)
@click.option(
    "--application", default="csstream", show_default=True, help="Names the group and its transactions."
)
@click.option(
    "--topics-prefix", "prefix", default="cs.", show_default=True, help="How the names of all topics begin."
)
@click.option(
    "--partitioner",
    type=click.Choice(["murmur2", "crc32", "any"]),
    default="murmur2",
    show_default=True,
    help="How the producers of events choose the partition.",
)
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="Where /metrics is served.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), default=9464, show_default=True)
@policy_options
def worker(
    broker: str,
    application: str,
    prefix: str,
    partitioner: str,
    metrics_host: str,
    metrics_port: int,
    policies: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """A Faust worker: any number of them share the partitions; what dies is taken over, and nothing counts twice.

    \b
    csstream worker --broker 127.0.0.1:9092
    """
    from csstream.exporter import ExporterError
    from csstream.kafka.topics import TopicsError
    from csstream.kafka.worker import WorkerError, WorkerOptions, work
    from csstream.ledgers.kafka import Connection, UnreachableError

    options = WorkerOptions(
        connection=Connection(broker),
        policy=one(policies, settings),
        application=application,
        prefix=prefix,
        partitioner=partitioner,
        host=metrics_host,
        port=metrics_port,
    )
    _log_to_stderr()
    try:
        asyncio.run(work(options))
    except (WorkerError, TopicsError, UnreachableError, ExporterError) as error:
        raise Failure(str(error)) from error


def _log_to_stderr() -> None:
    """Our own news, and of the libraries what went wrong."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", force=True
    )
    for name, level in (("csstream", logging.INFO), ("faust", logging.WARNING), ("mode", logging.WARNING)):
        logging.getLogger(name).setLevel(level)
