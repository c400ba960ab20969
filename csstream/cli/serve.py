"""`csstream serve`: one shop's real use, without Kafka."""

import asyncio
import logging
from pathlib import Path

import click

from csstream.cli.intake import intake_options, token_of
from csstream.cli.options import Failure, Span, one, policy_options


@click.command()
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("csstream-data"),
    show_default=True,
    envvar="CSSTREAM_DATA",
    show_envvar=True,
    help="The folder where everything is kept.",
)
@click.option(
    "--follow",
    "follow",
    multiple=True,
    metavar="FILE",
    help="Take the lines of this file and those written to it, over rotation and restart (repeatable).",
)
@click.option(
    "--keep",
    "keep_s",
    type=Span(),
    default="30d",
    show_default=True,
    help="For how long events, facts, alerts and dead letters can be read.",
)
@click.option(
    "--alerts",
    "alerts",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="CSSTREAM_ALERTS",
    show_envvar=True,
    metavar="FILE",
    help="Who is told of alerts: sinks and routes (TOML); csstream alerts check reads it.",
)
@intake_options
@policy_options
def serve(
    data: Path,
    follow: tuple[str, ...],
    keep_s: float,
    alerts: Path | None,
    host: str,
    port: int,
    names: tuple[str, ...],
    token_file: Path | None,
    policies: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """One shop's real use in one process: events over HTTP or from files, kept in a folder.

    \b
    csstream serve --data shop --follow chat.jsonl
    csstream serve --data shop --policy tmall --port 8464
    """
    from csstream.cli.alerts import read_config
    from csstream.ledgers import LedgerError
    from csstream.serve.folder import FolderError
    from csstream.serve.inbox import InboxError
    from csstream.serve.service import ServeOptions
    from csstream.serve.service import serve as run
    from csstream.serve.tail import FollowError
    from csstream.web.bearer import TokenError
    from csstream.web.server import ListenError

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    policy = one(policies, settings)
    try:
        options = ServeOptions(
            policy=policy,
            data=data,
            host=host,
            port=port,
            bearer=token_of(token_file),
            names=names,
            follow=follow,
            keep_s=keep_s,
            alerts=None if alerts is None else read_config(alerts),
        )
        asyncio.run(run(options, click.echo))
    except (FolderError, FollowError, InboxError, LedgerError, ListenError, TokenError) as error:
        raise Failure(str(error)) from error
