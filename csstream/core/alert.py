"""An alert as it is published and kept (SPEC 8): one shape for every rule.

It lies apart from the rules so that these can be machine code: a struct that bytes are decoded into cannot.
"""

import msgspec
from msgspec import Struct


class Alert(Struct):
    """One alert, whole, in the field order of SPEC 8. The last record of an id stands."""

    alert: str
    rule: str
    state: str
    severity: str
    shop: str
    agent: str | None
    group: str | None
    customer: str | None
    since: int
    ts: int
    end: int | None
    outcome: str | None
    value: dict[str, int]
    divert_to: str | None
    evidence: list[str]
    policy: str
    summary: dict[str, str]


encode = msgspec.json.Encoder().encode
"""An alert as one line of JSON, without the line end."""
