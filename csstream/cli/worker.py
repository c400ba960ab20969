"""`csstream worker`: live figures and alerts from Kafka."""

import asyncio
import logging
import sys

import click

from csstream.cli.options import Failure, one, policy_options
from csstream.cli.told import connection, reading, settings_options


@click.command()
@settings_options()
@policy_options
def worker(policies: tuple[str, ...], settings: tuple[str, ...], **given: str | None) -> None:
    """A Faust worker: any number of them share the partitions; what dies is taken over, and nothing counts twice.

    Every option is also a setting of the environment and of a file; `csstream settings` shows them.

    \b
    csstream worker --broker 127.0.0.1:9092
    csstream worker --config csstream.toml --policy tmall
    """
    from csstream.exporter import ExporterError
    from csstream.kafka.topics import TopicsError
    from csstream.kafka.worker import WorkerError, WorkerOptions, work
    from csstream.ledgers.kafka import UnreachableError

    told = reading(given)
    options = WorkerOptions(
        connection=connection(told, quiet=False), policy=one(policies, settings), settings=told
    )
    _log_to_stderr()
    try:
        asyncio.run(work(options))
    except (WorkerError, TopicsError, UnreachableError, ExporterError) as error:
        raise Failure(str(error)) from error


def _log_to_stderr() -> None:
    """Our own news, and of the libraries what went wrong."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    # Libraries set levels of their own on their loggers, so what they say is sifted here.
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.startswith("csstream"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
