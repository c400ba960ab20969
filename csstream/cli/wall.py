"""`csstream wall`: the page for the screen in the room, fed by Kafka."""

import asyncio
import logging
import os
import sys
from pathlib import Path

import click

from csstream.cli.options import Failure

TOKEN = "CSSTREAM_WALL_TOKEN"  # noqa: S105 - the name of a variable


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
    "--topics-prefix", "prefix", default="cs.", show_default=True, help="How the names of all topics begin."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9466, show_default=True, help="0 is any free one."
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Who has this token may look and acknowledge; else {TOKEN} has it. Needed where others can reach it.",
)
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="A name, beside addresses and localhost, under which the wall may be asked for (repeatable).",
)
@click.option("--link", is_flag=True, help="Print the end of the read-only link, and do nothing else.")
def wall(
    broker: str,
    prefix: str,
    host: str,
    port: int,
    token_file: Path | None,
    names: tuple[str, ...],
    link: bool,
) -> None:
    """The wall: one page for a room, from what the workers publish. Any number of copies may run.

    \b
    csstream wall --broker 127.0.0.1:9092
    csstream wall --host 0.0.0.0 --token-file wall.token --allow-host wall.example.com
    csstream wall --token-file wall.token --link
    """
    from csstream.ledgers.kafka import Connection, UnreachableError
    from csstream.wall import Access
    from csstream.wall.listen import WallError
    from csstream.wall.process import WallOptions, hang

    access = Access(_token(token_file), frozenset(name.lower() for name in names))
    if link:
        if not access.token:
            raise click.UsageError(f"--link needs a token: --token-file or {TOKEN}")
        click.echo(f"#key={access.view_key}")
        return
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="csstream: %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our own error says all there is to say
    options = WallOptions(connection=Connection(broker), access=access, prefix=prefix, host=host, port=port)
    try:
        asyncio.run(hang(options, click.echo))
    except (WallError, UnreachableError) as error:
        raise Failure(str(error)) from error


def _token(path: Path | None) -> str:
    if path is None:
        return os.environ.get(TOKEN, "")
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise Failure(f"the token file {path} cannot be read: {reason}") from None
