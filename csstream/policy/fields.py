"""The thresholds themselves: one line of `Policy` is the whole of a field.

The line names it as SPEC 2 does and says of which kind it is (how it is read, checked, set from the command line
and shown). So a new threshold is one line here and its value in `policies/handbook.toml`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any

from csstream.policy.day_times import TIMES, span
from csstream.policy.durations import DAYS, HEADLINE, duration
from csstream.policy.instants import INSTANT, ZONE
from csstream.policy.kind import Kind
from csstream.policy.lists import ORDER, WORDS, senders
from csstream.policy.scalars import IDENT, RATIO, YES_NO, whole
from csstream.policy.tables import LEVELS, LONG_WAIT, STAGES, Level, Stage


def _as(name: str, kind: Kind) -> dict[str, object]:
    return {"name": name, "kind": kind}


@dataclass(frozen=True, slots=True)
class Policy:
    """Every threshold of SPEC 2. Immutable and hashable; durations in ms, times of day in ms of the local day.

    Get one from `load` or `with_settings`: they check it, the constructor does not.
    """

    id: str = field(metadata=_as("id", IDENT))
    version: int = field(metadata=_as("version", whole(1)))
    valid_from_ms: int = field(metadata=_as("valid_from", INSTANT))
    timezone: str = field(metadata=_as("timezone", ZONE))

    effective_response: frozenset[str] = field(metadata=_as("effective.response", senders(least=1)))
    effective_reply_rate: frozenset[str] = field(metadata=_as("effective.reply_rate", senders(least=1)))
    effective_queue: frozenset[str] = field(metadata=_as("effective.queue", senders(least=0)))

    long_wait: str = field(metadata=_as("long_wait", LONG_WAIT))  # sets long_wait_ms too
    long_wait_ms: int
    hours: tuple[int, int] | None = field(metadata=_as("hours", span("always", over_midnight=False)))
    headline_ms: int = field(metadata=_as("headline", HEADLINE))
    session_gap_ms: int = field(metadata=_as("session_gap", duration()))

    levels: tuple[Level, ...] = field(metadata=_as("alert.levels", LEVELS))
    clear_ratio: Fraction = field(metadata=_as("alert.clear_ratio", RATIO))
    stale_after_ms: int = field(metadata=_as("alert.stale_after", duration()))
    notify_settle_ms: int = field(metadata=_as("notify.settle", duration(0)))

    closing_words: tuple[str, ...] = field(metadata=_as("closing.words", WORDS))
    closing_alert: bool = field(metadata=_as("closing.alert", YES_NO))
    closing_in_response_time: bool = field(metadata=_as("closing.in_response_time", YES_NO))
    closing_in_reply_rate: bool = field(metadata=_as("closing.in_reply_rate", YES_NO))

    overload_open_waits: int = field(metadata=_as("overload.open_waits", whole(1)))
    overload_over_30: int = field(metadata=_as("overload.over_30", whole(1)))
    overload_concurrent: int = field(metadata=_as("overload.concurrent", whole(1)))
    idle_online_wait_ms: int = field(metadata=_as("idle_online.wait", duration()))
    idle_online_silent_ms: int = field(metadata=_as("idle_online.silent", duration()))
    with_waits_over_ms: int = field(metadata=_as("with_waits.over", duration(0)))
    midnight_at: tuple[int, ...] = field(metadata=_as("midnight.at", TIMES))
    feed_silent_over_ms: int | None = field(metadata=_as("feed_silent.over", duration(off=True)))
    reply_rate_target: int = field(metadata=_as("reply_rate.target", whole(1, 100)))
    reply_rate_after: int = field(metadata=_as("reply_rate.after", whole(1)))
    reply_rate_settle_ms: int = field(metadata=_as("reply_rate.settle", duration(0)))
    storm_over_ms: int = field(metadata=_as("storm.over", duration()))
    storm_waits: int = field(metadata=_as("storm.waits", whole(1)))
    storm_within_ms: int = field(metadata=_as("storm.within", duration()))

    unpaid_stages: tuple[Stage, ...] = field(metadata=_as("unpaid.stages", STAGES))
    unpaid_quiet: tuple[int, int] | None = field(
        metadata=_as("unpaid.quiet", span("none", over_midnight=True))
    )
    unpaid_max_per_24h: int = field(metadata=_as("unpaid.max_per_24h", whole(1)))
    unpaid_min_gap_ms: int = field(metadata=_as("unpaid.min_gap", duration(0)))
    unpaid_grace_ms: int = field(metadata=_as("unpaid.grace", duration(0)))
    unpaid_cod_contact_ms: int = field(metadata=_as("unpaid.cod_contact", duration()))

    attribution_order: tuple[str, ...] = field(metadata=_as("attribution.order", ORDER))
    attribution_lookback_ms: int = field(metadata=_as("attribution.lookback", duration()))
    attribution_final_window_days: int = field(metadata=_as("attribution.final_window", DAYS))
    attribution_reversal_ms: int = field(metadata=_as("attribution.reversal", duration(0)))
    attribution_aftersale_ms: int = field(metadata=_as("attribution.aftersale", duration(0)))
    attribution_order_ttl_ms: int = field(metadata=_as("attribution.order_ttl", duration()))

    lateness_horizon_ms: int = field(metadata=_as("lateness.horizon", duration(0)))
    wait_ttl_ms: int | None = field(metadata=_as("wait_ttl", duration(off=True)))
    live_within_ms: int = field(metadata=_as("live.within", duration()))

    changed: str = ""
    """Empty, or a hash of the settings where they are not those that `id` and `version` stand for."""
    tag: str = field(init=False, compare=False)
    """`<id>@<version>`, followed by `+` and `changed` where settings were changed; what every fact carries."""

    def __post_init__(self) -> None:
        tag = f"{self.id}@{self.version}"
        object.__setattr__(self, "tag", f"{tag}+{self.changed}" if self.changed else tag)

    def __hash__(self) -> int:
        # Asked for far more often than made, and different settings have different tags.
        return hash(self.tag)


FIELDS: Mapping[str, tuple[str, Kind]] = {
    f.metadata["name"]: (f.name, f.metadata["kind"]) for f in fields(Policy) if "name" in f.metadata
}
"""Name in the file: attribute of `Policy`, kind."""

IDENTITY = ("id", "version", "valid_from")
"""What a file says of itself; no setting."""


def attributes(name: str, value: Any) -> dict[str, Any]:
    """A read value by the attributes of `Policy` that hold it."""
    if name == "long_wait":
        return {"long_wait": value[0], "long_wait_ms": value[1]}
    return {FIELDS[name][0]: value}
