"""The command line: one module a command (SPEC 10).

Exit status: 0 done; 1 a run that failed, with one line on stderr; 2 wrong usage or an invalid policy. Commands
import their driver when they run, so that `csstream --help` and a policy check do not wait for it.
"""

import os
import signal
import sys

import click

from csstream import __version__
from csstream.cli.alerts import alerts
from csstream.cli.demo import demo
from csstream.cli.diff import diff
from csstream.cli.explain import explain
from csstream.cli.gateway import gateway
from csstream.cli.import_ import import_
from csstream.cli.notify import notify
from csstream.cli.policy import policy
from csstream.cli.rebuild import rebuild
from csstream.cli.replay import replay
from csstream.cli.serve import serve
from csstream.cli.settings import settings
from csstream.cli.simulate import simulate
from csstream.cli.topics import topics
from csstream.cli.wall import wall
from csstream.cli.worker import worker


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="csstream")
def cli() -> None:
    """Who waits in the chat, for how long, and what it costs: live, and the same in every audit."""


for _command in (
    demo,
    serve,
    gateway,
    simulate,
    replay,
    import_,
    diff,
    explain,
    topics,
    worker,
    wall,
    rebuild,
    notify,
    alerts,
    policy,
    settings,
):
    cli.add_command(_command)


def _terminate(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The entry point: what goes wrong ends in one line, not in a trace."""
    # A polite request to end is met like Ctrl-C: half-written files are cleared away.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        click.echo("csstream: interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("csstream: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more can be written, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
