"""`csstream wall`: the page for the screen in the room, fed by Kafka."""

import asyncio
import logging
import sys
from pathlib import Path

import click

from csstream.cli.options import Failure, port_option
from csstream.cli.told import BROKER, connection, reading, settings_options


@click.command()
@settings_options(*BROKER, "topics.prefix")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on. It speaks plain HTTP: put a proxy with TLS before other machines.",
)
@port_option("--port", 9466)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="CSSTREAM_WALL_TOKEN_FILE",
    show_envvar=True,
    help="Who has this token may look and acknowledge. Needed where others can reach the wall.",
)
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="A host name, beside localhost, under which the wall may be asked for (repeatable).",
)
@click.option("--link", is_flag=True, help="Print the end of the read-only link, and do nothing else.")
def wall(
    host: str,
    port: int,
    token_file: Path | None,
    names: tuple[str, ...],
    link: bool,
    **given: str | None,
) -> None:
    """The wall: one page for a room, from what the workers publish. Any number of copies may run.

    \b
    csstream wall --broker 127.0.0.1:9092
    csstream wall --host 0.0.0.0 --token-file wall.token --allow-host wall.example.com
    csstream wall --token-file wall.token --link
    """
    from csstream.ledgers.kafka import UnreachableError
    from csstream.wall import Access
    from csstream.wall.follower import WallError
    from csstream.wall.process import WallOptions, hang
    from csstream.web.bearer import TokenError, read_token
    from csstream.web.server import ListenError

    told = reading(given)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="csstream: %(message)s")
    try:
        bearer = None if token_file is None else read_token(token_file)
        if link:
            if bearer is None:
                raise click.UsageError("--link is made from the token: give --token-file")
            click.echo(f"#key={Access(bearer).view_key}")
            return
        options = WallOptions(
            connection=connection(told),
            bearer=bearer,
            prefix=told.topics_prefix,
            names=names,
            host=host,
            port=port,
        )
        asyncio.run(hang(options, click.echo))
    except (ListenError, TokenError, UnreachableError, WallError) as error:
        raise Failure(str(error)) from error
