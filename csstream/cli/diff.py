"""`csstream diff`: two replays, fact by fact."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from csstream.cli.options import Failure
from csstream.cli.output import print_json


@click.command()
@click.argument("left", metavar="A", type=click.Path(file_okay=False, path_type=Path))
@click.argument("right", metavar="B", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--limit", type=click.IntRange(min=0), default=5, show_default=True, help="Differences shown of a kind."
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
@click.option("--check", is_flag=True, help="Exit status 1 if a fact differs.")
def diff(left: Path, right: Path, limit: int, as_json: bool, check: bool) -> None:
    """Compare two replays fact by fact, and say which events and policy fields make each difference.

    A and B are folders that `csstream replay --out` wrote.

    \b
    csstream diff audit/ audit-again/
    csstream diff what-if/handbook@1/ what-if/jd@1/ --json
    """
    from csstream.replay.diff import compare
    from csstream.replay.job import ReplayError
    from csstream.replay.outputs import Output

    try:
        found = compare(Output(left), Output(right), limit)
    except ReplayError as error:
        raise Failure(str(error)) from error
    if as_json:
        told = asdict(found) | {"counts": [[*key, number] for key, number in sorted(found.counts.items())]}
        print_json(told)
    else:
        _print(found)
    if check and not found.equal:
        raise Failure(f"{sum(found.counts.values())} facts differ")


def _print(found: Any) -> None:
    for name, (one, other) in found.policy.items():
        click.echo(f"policy  {name}: {one} -> {other}")
    if not found.inputs:
        click.echo("inputs  not the same bytes")
    click.echo(f"{found.same:,} facts are the same" + ("" if found.counts else "; none differs"))
    for (kind, how), number in sorted(found.counts.items()):
        click.echo(f"{number:,} {kind} {how}")
    for one in found.first:
        click.echo(f"\n{one.fact}")
        if one.left is None or one.right is None:
            click.echo(f"  only in {'B' if one.left is None else 'A'}")
        for name in one.fields:
            click.echo(f"  {name}: {one.left[name]} -> {one.right[name]}")
        for label, names in (("events that only one names", one.events), ("policy", one.policy)):
            if names:
                click.echo(f"  {label}: {', '.join(names[:8])}{' ...' if len(names) > 8 else ''}")
        if not one.events and not one.policy:
            click.echo(
                "  it names the same events: another event of its customer, or where the log ends, makes the difference"
            )
