"""What a report is made of: plain figures by name, so that nothing here knows how a replay found them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from csstream.core.facts import Wait
from csstream.replay.figures import Cell, Row
from csstream.replay.lost import LostInquiry

BOUNDS_S = (5, 10, 15, 20, 30, 45, 60, 100, 180, 300, 600, 1800)
"""Bounds of the distribution of responses (SPEC 5)."""


@dataclass(frozen=True, kw_only=True)
class ReportInput:
    """What one policy's replay found. Nothing in it may depend on a clock or on the number of workers."""

    version: str
    """Of csstream."""
    policy: Mapping[str, object]
    """`csstream.policy.describe`: every field by name."""
    policy_tag: str
    timezone: str
    inputs: Sequence[Mapping[str, Cell]]
    """As in the manifest: `file`, `sha256`, `bytes`, `lines`; further keys are ignored."""
    counts: Mapping[str, object]
    """Plain counts by name in the order to show; a nested mapping is shown as `name.key`."""
    notes: Sequence[str]
    shops: Sequence[Row]
    """Rows of `shops.csv`, by shop and day."""
    agents: Sequence[Row]
    """Rows of `agents.csv`, by shop, day and agent."""
    shop_totals: Sequence[Row]
    """The columns of `shops.csv` but `day`, one row a shop over all days (sums, mean, exact percentiles)."""
    agent_totals: Sequence[Row]
    """The columns of `agents.csv` but `day`, one row for each shop and agent."""
    hours: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    """By shop, 24 pairs by local hour of `since`: waits (as the column `waits`), and those of them that were
    not answered within 30 s. So the sums are `waits` and `waits - within_30`."""
    histogram: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """By shop, 13 counts: the samples of `responses` up to each of `BOUNDS_S`, not cumulative, then over it."""
    longest: Sequence[Wait] = ()
    """The longest `normal` waits, `void` and `bot` left out, by the customer clock (open ones up to the shop's
    clock), longest first, ties by fact id; the first `LONGEST` are shown."""
    clocks: Mapping[str, int] = field(default_factory=dict)
    """By shop, its clock at the end (epoch ms): how long open waits are."""
    alerts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Number of alerts by (rule, severity)."""
    lost: Sequence[LostInquiry] = ()
    """Lost inquiries, the longest waits first."""
    scripts: Mapping[tuple[str, str], Mapping[str, int]] = field(default_factory=dict)
    """By shop and reminder script: `reminded`, `paid_last`, `paid_any`, `cancelled`."""
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    """Rejected lines by reason."""
