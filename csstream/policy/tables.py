"""Values of several parts: the levels of an alert, the stages of an unpaid order, the treatment of long waits.

Rows that do not rise are refused instead of sorted: one of their numbers is likely a slip, and nobody can say which.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from csstream.policy.durations import duration_ms, duration_text, seconds_or_text
from csstream.policy.kind import Kind
from csstream.policy.lists import by_comma, choices, items
from csstream.policy.mistakes import Wrong, nearest, quoted

SEVERITIES = ("info", "warning", "critical", "breach", "lost")
LONG_WAITS = ("exclude", "cap", "none")


@dataclass(frozen=True, slots=True)
class Level:
    """One level of `alert.levels`: a wait strictly over `over_ms` (whole seconds) is of this severity."""

    over_ms: int
    severity: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of an unpaid order, `after_ms` after its creation; `name` is the policy's own text (`12h`).

    `channels` must each be seen for the reminder to be done; `("lost",)` marks the deadline.
    """

    name: str
    after_ms: int
    channels: tuple[str, ...]


def _rows(
    value: object, path: str, wrong: Wrong, names: tuple[str, str], example: str
) -> Iterator[tuple[str, Any, Any]]:
    """The rows of a list of pairs, each a table with those names or a text with a space between."""
    for at, item in items(value, path, wrong, example):
        pair = item
        if isinstance(item, str) and len(parts := item.split()) == len(names):
            pair = {names[0]: seconds_or_text(parts[0]), names[1]: parts[1]}
        if not isinstance(pair, dict):
            wrong(
                at, f"must be a table of `{names[0]}` and `{names[1]}`, not {quoted(item)}: write `{example}`"
            )
            continue
        for name in pair:
            if name not in names:
                wrong(f"{at}.{name}", f"is not known: {nearest(name, names)}")
        for name in names:
            if name not in pair:
                wrong(f"{at}.{name}", f"is missing: write `{example}`")
        if all(name in pair for name in names):
            yield at, pair[names[0]], pair[names[1]]


def _read_levels(value: object, path: str, wrong: Wrong) -> tuple[Level, ...]:
    levels: list[Level] = []
    last = ""
    for at, over, severity in _rows(
        value, path, wrong, ("over", "severity"), '[{ over = "15s", severity = "info" }]'
    ):
        over_ms = duration_ms(over, f"{at}.over", wrong)
        if severity not in SEVERITIES:
            wrong(f"{at}.severity", f"must be one of {', '.join(SEVERITIES)}, not {quoted(severity)}")
        if over_ms is None or severity not in SEVERITIES:
            continue
        if levels and over_ms <= levels[-1].over_ms:
            before = duration_text(levels[-1].over_ms)
            wrong(
                f"{at}.over",
                f"must be > {last}.over, not {quoted(over)} after {before}: write the levels in rising order",
            )
        if levels and SEVERITIES.index(severity) < SEVERITIES.index(levels[-1].severity):
            worst = levels[-1].severity
            wrong(
                f"{at}.severity",
                f"must not be milder than {last}.severity, not {quoted(severity)} after {worst}",
            )
        levels.append(Level(over_ms, severity))
        last = at
    if value == []:
        wrong(path, 'must not be empty: write at least `[{ over = "30s", severity = "warning" }]`')
    return tuple(levels)


LEVELS = Kind(
    _read_levels,
    lambda levels: [{"over": duration_text(level.over_ms), "severity": level.severity} for level in levels],
    by_comma,
)


def _read_stages(value: object, path: str, wrong: Wrong) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    last = ""
    example = '[{ after = "12h", channels = ["chat"] }, { after = "72h", channels = ["lost"] }]'
    for at, after, named in _rows(value, path, wrong, ("after", "channels"), example):
        after_ms = duration_ms(after, f"{at}.after", wrong)
        listed = named.split("+") if isinstance(named, str) else named
        channels = choices(("chat", "sms", "lost"), least=1)(listed, f"{at}.channels", wrong)
        if "lost" in channels and len(channels) > 1:
            wrong(
                f"{at}.channels",
                f"must be `lost` alone, not {quoted(named)}: nobody is asked at the deadline",
            )
        if after_ms is None:
            continue
        if stages and after_ms <= stages[-1].after_ms:
            wrong(
                f"{at}.after",
                f"must be > {last}.after, not {quoted(after)} after {stages[-1].name}: write them in rising order",
            )
        if stages and stages[-1].channels == ("lost",):
            wrong(at, f"comes after the lost stage, {last}: nothing can follow the deadline")
        stages.append(Stage(after if isinstance(after, str) else duration_text(after_ms), after_ms, channels))
        last = at
    if isinstance(value, list) and not any("lost" in stage.channels for stage in stages):
        wrong(path, 'must end with the deadline: add `{ after = "72h", channels = ["lost"] }`')
    return tuple(stages)


STAGES = Kind(
    _read_stages,
    lambda stages: [{"after": stage.name, "channels": list(stage.channels)} for stage in stages],
    by_comma,
)


def _read_long_wait(value: object, path: str, wrong: Wrong) -> tuple[str, int]:
    pair = value
    if isinstance(value, str) and len(parts := value.split()) <= 2:
        pair = dict(zip(("mode", "over"), map(seconds_or_text, parts), strict=False))
    if not isinstance(pair, dict):
        pair = {}
    for name in pair:
        if name not in ("mode", "over"):
            wrong(f"{path}.{name}", f"is not known: {nearest(str(name), ('mode', 'over'))}")
    mode = pair.get("mode")
    if mode not in LONG_WAITS:
        wrong(
            path,
            f'must be `{{ mode = "exclude", over = "30m" }}`, mode `cap`, or "none", not {quoted(value)}',
        )
    elif mode == "none":
        if "over" in pair:
            wrong(
                f"{path}.over",
                f"has no use with none, {quoted(pair['over'])}: leave it out, or say `exclude` or `cap`",
            )
    elif "over" not in pair:
        wrong(f"{path}.over", f'is missing: write `{{ mode = "{mode}", over = "30m" }}`')
    else:
        return str(mode), duration_ms(pair["over"], f"{path}.over", wrong) or 0
    return "none", 0


LONG_WAIT = Kind(
    _read_long_wait,
    lambda pair: "none" if pair[0] == "none" else {"mode": pair[0], "over": duration_text(pair[1])},
)
