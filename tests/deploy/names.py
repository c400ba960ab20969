"""The metrics that a query names, and whether the program has them.

A dashboard that names a metric which does not exist shows an empty panel, and nobody notices until the night it is
needed. METRICS is what the program has; AWAITED is what its specification promises beyond that.
"""

import re

import yaml

from csstream.core.metrics import BY_NAME, Metric
from tests.deploy.programs import DEPLOY

AWAITED: set[str] = set()
"""Specified, and not (all of them) there yet; whatever METRICS has counts as there."""

NAME = re.compile(r"\bcsstream_([a-z0-9_]+)")
RECORDED = re.compile(r"\bcsstream:[a-z0-9_:]+")


def recorded() -> dict[str, str]:
    """Name -> expression of every recording rule."""
    rules = yaml.safe_load((DEPLOY / "prometheus/rules/recording.yml").read_text("utf-8"))
    return {rule["record"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}


def metrics_of(expr: str) -> set[str]:
    """The metrics behind an expression, without the prefix; through recording rules down to what is scraped."""
    found = {_bare(name) for name in NAME.findall(expr)}
    for name in RECORDED.findall(expr):
        found |= metrics_of(recorded()[name])
    return found


def _bare(name: str) -> str:
    for suffix in ("_bucket", "_sum", "_count"):
        base = name.removesuffix(suffix)
        if base != name and (base in AWAITED or (base in BY_NAME and BY_NAME[base].type == "h")):
            return base
    return name


def unknown(expr: str) -> set[str]:
    """Those of its metrics that neither the program nor its specification has."""
    return {name for name in metrics_of(expr) if name not in BY_NAME and name not in AWAITED}


def there(expr: str) -> list[Metric] | None:
    """The metrics of an expression if the program has them all; None while it waits for one."""
    names = metrics_of(expr)
    return [BY_NAME[name] for name in names] if names <= set(BY_NAME) else None
