"""What the core concludes (SPEC 7): the audit trail, of which every figure is a sum.

Facts are plain records that encode themselves; the field order is the order in the JSON. Nothing in them leads back to
them, so Python need not look for cycles there (`gc=False`).
`rev` counts publications of one fact, from 1; replay always writes 1.
"""

from typing import TypeAlias

import msgspec
from msgspec import Struct


class Leg(Struct, gc=False):
    """One holder's part of a wait: `agent` null is the queue; `until` null while it is open."""

    agent: str | None
    from_ms: int = msgspec.field(name="from")
    until: int | None
    outcome: str


class Level(Struct, gc=False):
    """An alert level that an open wait passed, at `ts` (epoch ms)."""

    over_ms: int
    ts: int


class Fact(Struct, kw_only=True, omit_defaults=True, tag_field="kind", gc=False):
    """What all facts carry (SPEC 7). `ts` is the instant the fact begins."""

    fact: str
    rev: int
    shop: str
    agent: str | None
    customer: str
    ts: int
    policy: str
    evidence: list[str]
    retracted: bool = False


class Wait(Fact, tag="wait", kw_only=True):
    """A customer waited (SPEC 4); `agent` is who answered, else who held the customer last."""

    wait: str
    since: int
    until: int | None
    ms: int | None
    outcome: str
    class_: str = msgspec.field(name="class")
    messages: int
    first_any_ms: int | None
    answered_by: str | None
    legs: list[Leg]
    levels: list[Level]

    @property
    def normal(self) -> bool:
        """Whether the wait is of class `normal`, no closing courtesy."""
        return self.class_ == "normal"

    @property
    def has_extra_leg(self) -> bool:
        """Whether the last leg is the *extra leg* of someone who answered without holding the customer."""
        legs = self.legs
        return len(legs) > 1 and legs[-2].outcome == "answered_by_other"


class Reception(Fact, tag="reception", kw_only=True):
    """An agent (null: the shop) received a customer in a session (SPEC 5)."""

    session: str
    day: str
    start: int
    first_response_ms: int | None
    first_any_ms: int | None
    replies: int
    answered: bool


class Consult(Fact, tag="consult", kw_only=True):
    """A customer consulted on a local day: the shop (`agent` null), or one agent (SPEC 5); what came of it (SPEC 6).

    `presale`: the day's first question was about nothing bought lately. `ordered`: `same_day`, `final` or `no`.
    """

    day: str
    replied_any: bool
    replied_strict: bool
    presale: bool
    ordered: str

    @property
    def inquirer(self) -> bool:
        """Whether the customer of that day counts in the inquiry conversion."""
        return self.presale or self.ordered != "no"


class Flag(Fact, tag="flag", kw_only=True):
    """Conduct worth a look; `fact` is the id of its alert (SPEC 8)."""

    rule: str
    wait: str | None = None
    since: int


class Refund(Struct, gc=False):
    """One refund; `fen` null where nobody said how much, and what was paid is not known."""

    ts: int
    fen: int | None


class Order(Fact, tag="order", kw_only=True):
    """An order as it stands (SPEC 6); `agent` is its owner, instants are null where nothing has happened.

    `cod` (cash on delivery) is there only when true.
    """

    order: str
    status: str
    owner: str | None
    reason: str
    assist_order: list[str]
    assist_followup: list[str]
    conflicts: list[str]
    amount_fen: int | None
    paid_fen: int | None
    refunded_fen: int | None
    refunds: list[Refund]
    created: int | None
    paid: int | None
    shipped: int | None
    cancelled: int | None
    closed: int | None
    refunded: int | None
    lost: int | None
    taken_back: int | None
    cod: bool = False


class Reminder(Fact, tag="reminder", kw_only=True):
    """Somebody had to remind a customer of an unpaid order (SPEC 6); `agent` is the responsible one."""

    order: str
    stage: str
    due: int
    until: int
    asked: bool
    state: str
    responsible: str | None


AnyFact: TypeAlias = Wait | Reception | Consult | Flag | Order | Reminder

encode = msgspec.json.Encoder().encode
"""A fact as one line of JSON, without the line end."""

decode = msgspec.json.Decoder(AnyFact).decode
"""A fact from its JSON; raises `msgspec.MsgspecError` on anything else."""
