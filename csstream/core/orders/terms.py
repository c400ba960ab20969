"""The policy on orders, laid out for the fold: plain integers and tuples, looked up once (SPEC 2, `unpaid`, `attribution`)."""

from typing import NamedTuple

from csstream.core.calendar import Calendar
from csstream.core.orders.quiet import NEVER, Quiet
from csstream.policy import Policy

CONTACT = "contact"
"""The one stage of a `cod` order."""


class Step(NamedTuple):
    """One stage of an order at which somebody may be asked: its name, when it is planned, and through what."""

    name: str
    plan: int
    channels: tuple[str, ...]


class Terms:
    """What SPEC 6 takes from the policy."""

    def __init__(self, policy: Policy, calendar: Calendar) -> None:
        self.calendar = calendar
        self.quiet = Quiet(calendar, policy.unpaid_quiet)
        self.stages = tuple(stage for stage in policy.unpaid_stages if stage.channels != ("lost",))
        self.lost_after = next(
            (stage.after_ms for stage in policy.unpaid_stages if stage.channels == ("lost",)), NEVER
        )
        self.max_per_24h = policy.unpaid_max_per_24h
        self.min_gap = policy.unpaid_min_gap_ms
        self.grace = policy.unpaid_grace_ms
        self.cod_contact = policy.unpaid_cod_contact_ms
        self.attribution = policy.attribution_order
        self.lookback = policy.attribution_lookback_ms
        self.final_days = policy.attribution_final_window_days
        self.reversal = policy.attribution_reversal_ms
        self.aftersale = policy.attribution_aftersale_ms
        self.ttl = policy.attribution_order_ttl_ms

    def steps(self, created: int, cod: bool) -> list[Step]:
        """The stages of an order, at their plans."""
        if cod:
            return [Step(CONTACT, self.quiet.moved(created + self.cod_contact), ("chat",))]
        return [
            Step(stage.name, self.quiet.moved(created + stage.after_ms), stage.channels)
            for stage in self.stages
        ]

    def deadline(self, created: int, cod: bool, pay_deadline: int | None) -> int:
        """When an order that is not paid is lost."""
        if cod:
            return NEVER
        lost = created + self.lost_after
        return min(lost, pay_deadline) if pay_deadline is not None and pay_deadline > created else lost
