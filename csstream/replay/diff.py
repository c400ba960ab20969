"""Two replays, fact by fact: what differs, and which events and policy fields make it so (SPEC 10, `diff`).

An audit that changes a number has to say why. Facts are written in order of kind and id, so two folders are compared
in one pass, however large. Every difference of a fact is a difference of what went in: an event that one side does
not have, or a field of the policy that the fact's own fields depend on. `DEPENDS` says which these are.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from csstream.replay.outputs import Output, Row

EVERYWHERE = ("timezone", "lateness.horizon", "wait_ttl", "session_gap")
"""Policy fields on which facts of every kind can depend."""

DEPENDS: dict[str, tuple[str, ...]] = {
    "wait": ("effective.response", "effective.queue", "closing.words", "closing.alert", "alert.levels"),
    "reception": ("effective.response", "effective.queue", "closing.words"),
    "consult": ("effective.", "closing.words", "closing.in_reply_rate", "attribution."),
    "order": ("attribution.", "unpaid.", "effective.response"),
    "reminder": ("unpaid.", "attribution.", "effective.response"),
    "flag": ("effective.response", "effective.queue", "closing.words"),
}
"""Of each kind of fact, the policy fields (or beginnings of their names) that decide about it."""

UNTOLD = frozenset({"rev", "policy", "evidence"})
"""Fields that say how a fact came about, not what it says."""


@dataclass(frozen=True)
class Difference:
    """One fact that differs. `left` or `right` is None where only the other side has it."""

    fact: str
    kind: str
    left: Row | None
    right: Row | None
    fields: tuple[str, ...]
    events: tuple[str, ...]
    """Ids of its events that only one side names."""
    policy: tuple[str, ...]
    """Policy fields that differ and on which it depends."""


@dataclass
class Comparison:
    """All differences of two replays: how many, and the first few."""

    policy: dict[str, tuple[Any, Any]]
    """Policy fields that differ, with both values."""
    inputs: bool
    """Whether both read the same bytes."""
    same: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind, and `changed`, `only left` or `only right`."""
    first: list[Difference] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether all facts are the same."""
        return not self.counts


def compare(left: Output, right: Output, limit: int = 20) -> Comparison:
    """Compare the facts of two replays; at most `limit` differences of each kind are kept one by one."""
    names = sorted({*left.policy, *right.policy} - {"id", "version", "valid_from"})
    changed = {
        name: (left.policy.get(name), right.policy.get(name))
        for name in names
        if left.policy.get(name) != right.policy.get(name)
    }
    found = Comparison(changed, _digests(left) == _digests(right))
    kept: Counter[str] = Counter()
    for one, other in _pairs(left.rows("facts.jsonl"), right.rows("facts.jsonl")):
        difference = _difference(one, other, changed)
        if difference is None:
            found.same += 1
            continue
        how = "only right" if one is None else "only left" if other is None else "changed"
        found.counts[difference.kind, how] += 1
        kept[difference.kind] += 1
        if kept[difference.kind] <= limit:
            found.first.append(difference)
    return found


def _digests(output: Output) -> list[str]:
    return sorted(source["sha256"] for source in output.manifest["inputs"])


def _pairs(left: Iterator[Row], right: Iterator[Row]) -> Iterator[tuple[Row | None, Row | None]]:
    """Facts with the same id side by side; both come in order of kind and id."""
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and _place(one) < _place(other)):
            yield one, None
            one = next(left, None)
        elif one is None or _place(other) < _place(one):
            yield None, other
            other = next(right, None)
        else:
            yield one, other
            one, other = next(left, None), next(right, None)


def _place(row: Row) -> tuple[str, str]:
    return row["kind"], row["fact"]


def _difference(
    left: Row | None, right: Row | None, changed: dict[str, tuple[Any, Any]]
) -> Difference | None:
    one, other = left or {}, right or {}
    told = sorted({*one, *other} - UNTOLD)
    fields = tuple(name for name in told if one.get(name) != other.get(name))
    if not fields:
        return None
    some = left or right
    assert some is not None
    kind = some["kind"]
    beginnings = (*DEPENDS.get(kind, ()), *EVERYWHERE)
    return Difference(
        some["fact"],
        kind,
        left,
        right,
        fields if left is not None and right is not None else (),
        tuple(sorted(set(one.get("evidence", ())) ^ set(other.get("evidence", ())))),
        tuple(name for name in changed if name.startswith(beginnings)),
    )
