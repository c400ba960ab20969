"""What the commands that take events over HTTP share: where to listen, and the token."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from csstream.cli.options import port_option

if TYPE_CHECKING:
    from csstream.web.bearer import Bearer

TOKEN = "CSSTREAM_TOKEN"  # noqa: S105 - the name of a variable


def intake_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--host`, `--port`, `--allow-host` and `--token-file`."""
    for option in (
        click.option(
            "--token-file",
            type=click.Path(dir_okay=False, path_type=Path),
            envvar=f"{TOKEN}_FILE",
            show_envvar=True,
            help=f"The token that clients send; else {TOKEN} has it.",
        ),
        click.option(
            "--allow-host",
            "names",
            multiple=True,
            metavar="NAME",
            help="A host name, beside localhost, under which clients may ask (repeatable).",
        ),
        port_option("--port", 8464),
        click.option(
            "--host",
            default="127.0.0.1",
            show_default=True,
            help="The address to listen on. It speaks plain HTTP: put a proxy with TLS before other machines.",
        ),
    ):
        command = option(command)
    return command


def token_of(path: Path | None) -> "Bearer | None":
    """The token given by file or environment, None where there is neither. Raises TokenError."""
    from csstream.web.bearer import given_token, read_token

    if path is not None:
        return read_token(path)
    given = os.environ.get(TOKEN)
    return None if given is None else given_token(given, TOKEN)
