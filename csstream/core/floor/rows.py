"""The rows of a floor: what its shop's customers cannot tell again (DESIGN 6).

Who waits for whom, who is a guest and who was answered today is in the rows of the customers already, so at a load
they tell it once more. Left is what comes from elsewhere (presence, shifts, the last word sent, the newest event) and
what has happened: alerts that stand, what else a rule keeps, and what the instant under way has stirred.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from csstream.core.alert import Alert
from csstream.core.changes import Change, Turn, View, Word, of_fields
from csstream.core.floor.floor import Floor
from csstream.core.floor.roster import Shift

DESK, SHOP, ROSTER, RULE = "desk", "shop", "roster", "rule"
"""Parts of a floor, as they stand in a key."""


class DeskRow(Struct, array_like=True):
    """An agent: see `Desk`."""

    sent_ms: int
    spell: str
    spell_ms: int
    before: tuple[str, int]
    signed: tuple[int, str]
    capacity: int
    sure_ms: int
    standing: list[Alert]


class FloorRow(Struct, array_like=True):
    """The shop: the instant under way and what it has stirred, the newest event, alerts that stand by rule.

    What `reply_rate` and `storm` keep has its place here; what another rule keeps is a row of its own.
    """

    now: int
    newest_ms: int
    newest_id: str
    stirred: dict[str, str]
    called: list[str]
    reply_rate: Any
    online_ms: int
    storm: Any
    standing: dict[str, Alert]
    ahead: list[list[Any]]
    """What was heard of agents for instants that are not judged yet: a step may end between two dues."""


class RosterRow(Struct, array_like=True):
    """The shifts: agent, id and what was announced last."""

    told: bool
    past: tuple[int, int] | None
    shifts: list[tuple[str, str, Shift]]


def changed(floor: Floor, ahead: Sequence[Change]) -> Iterator[tuple[tuple[str, str], object]]:
    """The rows that differ from those given out before, by part and agent. `ahead` was not told to the floor yet."""
    scene, roster = floor.scene, floor.scene.roster
    for desk in scene.desks.values():
        if desk.changed:
            desk.changed = False
            yield (DESK, desk.agent), DeskRow(
                desk.sent_ms, desk.spell, desk.spell_ms, desk.before, desk.signed, desk.capacity,
                desk.sure_ms,
                [*desk.standing.values()],
            )  # fmt: skip
    if roster.changed:
        roster.changed = False
        shifts = [(agent, name, shift) for (agent, name), shift in sorted(roster.shifts.items())]
        yield (ROSTER, ""), RosterRow(roster.told, roster.past, shifts)
    kept = floor.kept()
    yield (SHOP, ""), FloorRow(
        floor.now, scene.newest_ms, scene.newest_id, floor.stirred(), floor.called(),
        kept.pop("reply_rate"), roster.online_ms, kept.pop("storm"),
        {rule.name: rule.alert for rule in floor.shop_rules if rule.alert is not None},
        [[*change.fields()] for change in sorted(filter(_nobodys, ahead), key=_turn)],
    )  # fmt: skip
    for rule, its_own in kept.items():
        yield (RULE, rule), its_own


def _nobodys(change: Change) -> bool:
    """Whether no customer's own events tell it again."""
    return type(change) not in (View, Turn) and not (type(change) is Word and change.customer)


def _turn(change: Change) -> tuple[int, str]:
    """Words of one instant come in any order; what agents say of themselves stays as it came in."""
    return change.ts, change.event if type(change) is Word else ""


def restore(floor: Floor, part: str, agent: str, data: bytes) -> list[Change]:
    """Put a row back (`agent` is the rule's name in a row of a rule), and give what is still to be told; `Floor.resume` follows when all are there."""
    scene = floor.scene
    if part == DESK:
        row = _decode_desk(data)
        desk = scene.desk(agent)
        desk.sent_ms, desk.spell, desk.spell_ms = row.sent_ms, row.spell, row.spell_ms
        desk.before, desk.signed, desk.capacity = row.before, row.signed, row.capacity
        desk.sure_ms = row.sure_ms
        desk.standing = {alert.rule: alert for alert in row.standing}
        if desk.spell == "online":
            scene.roster.online.add(agent)
    elif part == ROSTER:
        roster = _decode_roster(data)
        scene.roster.restore(roster.told, roster.past, {(x, name): shift for x, name, shift in roster.shifts})
    elif part == RULE:
        floor.restored.kept[agent] = msgspec.msgpack.decode(data)
    else:
        shop = _decode_shop(data)
        floor.now = shop.now
        scene.newest_ms, scene.newest_id = shop.newest_ms, shop.newest_id
        scene.roster.online_ms = shop.online_ms
        restored = floor.restored
        restored.stirred, restored.called, restored.standing = shop.stirred, shop.called, shop.standing
        restored.kept |= {"reply_rate": shop.reply_rate, "storm": shop.storm}
        return [of_fields(fields) for fields in shop.ahead]
    return []


_decode_desk: Callable[[bytes], DeskRow] = msgspec.msgpack.Decoder(DeskRow).decode
_decode_shop: Callable[[bytes], FloorRow] = msgspec.msgpack.Decoder(FloorRow).decode
_decode_roster: Callable[[bytes], RosterRow] = msgspec.msgpack.Decoder(RosterRow).decode
