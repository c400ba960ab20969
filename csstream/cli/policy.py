"""`csstream policy`: thresholds as data."""

import json

import click

from csstream.cli.options import load_policies, policy_options
from csstream.cli.output import print_json
from csstream.policy import describe


@click.group()
def policy() -> None:
    """Thresholds as data."""


@policy.command("check")
@click.argument("file", metavar="FILE")
@policy_options
@click.option("--json", "as_json", is_flag=True, help="Print every field as JSON.")
def policy_check(file: str, policies: tuple[str, ...], settings: tuple[str, ...], as_json: bool) -> None:
    """Validate a policy (a file, or the name of a shipped profile), and show what it says."""
    if policies:
        raise click.UsageError("policy check takes one FILE, no --policy")
    checked = load_policies((file,), settings)[0]
    fields = describe(checked)
    if as_json:
        print_json({"tag": checked.tag, **fields})
        return
    click.echo(f"{checked.tag} is valid")
    for field, value in fields.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        click.echo(f"  {field:<28} {shown}")
