"""Settings on the command line: a flag for each that a command takes, and how they are read (csstream/settings.py)."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from csstream.settings import SETTINGS, Settings, SettingsError, read

if TYPE_CHECKING:
    from csstream.ledgers.kafka import Connection

BROKER = (
    "broker",
    "kafka.security_protocol",
    "kafka.sasl_mechanism",
    "kafka.username",
    "kafka.password",
    "kafka.ca_file",
    "kafka.cert_file",
    "kafka.key_file",
    "kafka.key_password",
)
"""What a command needs that speaks to brokers."""


def settings_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the flags of these settings (without names: of all), and `--config`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for setting in reversed(SETTINGS):
            if names and setting.name not in names:
                continue
            default = "" if setting.default is None else f"  [default: {setting.default}]"
            command = click.option(
                setting.flag,
                f"setting_{setting.given.replace('.', '_')}",
                metavar="FILE" if setting.given.endswith("_file") else "VALUE",
                help=f"{setting.meaning}{default}",
            )(command)
        return click.option(
            "--config",
            "setting_config",
            metavar="FILE",
            help="A file of settings (TOML). Else CSSTREAM_CONFIG names one.",
        )(command)

    return decorate


def reading(given: Mapping[str, Any]) -> Settings:
    """The settings of a command, from the arguments that `settings_options` gave it. A mistake is wrong usage."""
    flags = {setting.given: given.get(f"setting_{setting.given.replace('.', '_')}") for setting in SETTINGS}
    try:
        return read(flags, os.environ, given.get("setting_config"))
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


def connection(settings: Settings, *, quiet: bool = True) -> "Connection":
    """How the brokers are reached. What does not fit together is wrong usage.

    `quiet`: the client logs nothing. Of a broker that is away our own error says all there is to say.
    """
    from csstream.ledgers.kafka import Connection, hush

    hush(client=quiet)
    try:
        return Connection(
            settings.broker,
            security_protocol=settings.security_protocol,
            sasl_mechanism=settings.sasl_mechanism,
            username=settings.username,
            password=settings.password,
            ca_file=settings.ca_file,
            cert_file=settings.cert_file,
            key_file=settings.key_file,
            key_password=settings.key_password,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
