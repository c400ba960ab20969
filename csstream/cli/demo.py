"""`csstream demo`: a simulated shop, live."""

import asyncio

import click

from csstream.cli.options import Failure, Span, one, policy_options, port_option


@click.command()
@click.option("--for", "for_s", type=Span(), help="Stop by itself after this time, like 30s.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    help="Simulated seconds a second. Default 1; 60 with --log.",
)
@click.option(
    "--log", "log", metavar="FILE", help="Play this log (.jsonl, .gz, .zst, -) instead of a simulated shop."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, another day.")
@port_option("--port", 9464, "Of /metrics on 127.0.0.1")
@port_option("--wall-port", 9466, "Of the wall on 127.0.0.1")
@click.option(
    "--plain", is_flag=True, help="Lines instead of a screen (the default where there is no terminal)."
)
@policy_options
def demo(
    for_s: float | None,
    speed: float | None,
    log: str | None,
    seed: int,
    port: int,
    wall_port: int,
    plain: bool,
    policies: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """A simulated shop, live on the wall and in the terminal, in this one process. Ctrl-C ends it.

    \b
    csstream demo --speed 5 --for 1m
    csstream demo --log shop.jsonl --speed 60
    """
    from csstream.serve.demo import DemoError, DemoOptions
    from csstream.serve.demo import demo as run_demo

    policy = one(policies, settings)
    options = DemoOptions(
        policy=policy,
        seed=seed,
        speed=speed,
        for_s=for_s,
        log=log,
        port=port,
        wall_port=wall_port,
        plain=plain,
    )
    try:
        asyncio.run(run_demo(options))
    except DemoError as error:
        raise Failure(str(error)) from error
