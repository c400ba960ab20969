"""Thresholds as data: a policy says what counts as a reply, how long is too long and who is told.

Platforms judge the same chat by different rules and change them, so no threshold is code: it is a field here, with a
name, a unit and a value in `policies/*.toml`. One line of `Policy` is the whole of a field (how it is read, checked,
set from the command line and shown); a file that is wrong is refused at start, whole, with every mistake at its line,
because a policy that is half understood gives numbers nobody can defend later. Facts carry the policy's tag, so
two different sets of thresholds never share one. SPEC section 2; durations are integer milliseconds.
"""

import difflib
import functools
import hashlib
import importlib.resources
import json
import re
import tomllib
import unicodedata
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any

DAY_MS = 86_400_000
LONGEST_MS = 3650 * DAY_MS  # ten years: beyond it a duration is a slip of the pen
BOUNDS_S = (
    5,
    10,
    15,
    20,
    30,
    45,
    60,
    100,
    180,
    300,
    600,
    1800,
)  # SPEC 5: the histogram knows the share within these
SENDERS = ("human", "assist_bot", "bot", "auto", "template", "system")
SEVERITIES = ("info", "warning", "critical", "breach", "lost")
LONG_WAITS = ("exclude", "cap", "none")

Wrong = Callable[[str, str], None]
"""Takes the path of a value (`alert.levels[1].over`) and what is wrong with it."""


class PolicyError(ValueError):
    """A policy that cannot be used; the text has one line for each mistake, `problems` the same as a tuple."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type["PolicyError"], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


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


@dataclass(frozen=True, slots=True)
class Kind:
    """How the values of a sort of field are read from TOML, shown as JSON, and taken from `--set` text."""

    read: Callable[[object, str, Wrong], Any]
    show: Callable[[Any], object]
    parse: Callable[[str], object] = lambda text: text


# ------------------------------------------------------------------------------------------- single values


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    text = f'"{value}"' if isinstance(value, str) else f"`{value}`"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _near(name: str, names: Iterable[str]) -> str:
    """A question that names the nearest of the names, or all of them where none is near."""
    known = {name.casefold(): name for name in names}
    wanted = name.casefold()
    last = wanted.rpartition(".")[2]
    close = difflib.get_close_matches(
        wanted, [name for name in known if name.rpartition(".")[2] == last], 1, 0.0
    )
    close = close or difflib.get_close_matches(wanted, known, 1, 0.6)
    return f"did you mean `{known[close[0]]}`?" if close else f"known are {', '.join(known.values())}"


_DURATION = re.compile(r"(?=\d)(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
_UNITS_MS = (DAY_MS, 3_600_000, 60_000, 1000)


def _duration_text(ms: int) -> str:
    """In the largest unit that divides it, so that equal durations read the same."""
    unit, size = next(
        ((unit, size) for unit, size in zip("dhm", _UNITS_MS, strict=False) if ms % size == 0), ("s", 1000)
    )
    return f"{ms // size}{unit}" if ms else "0s"


def _duration_ms(value: object, path: str, wrong: Wrong, least_s: int = 1) -> int | None:
    ms = None
    if isinstance(value, int) and not isinstance(value, bool):
        ms = value * 1000
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        ms = sum(int(count or 0) * size for count, size in zip(match.groups(), _UNITS_MS, strict=True))
    if ms is None:
        wrong(
            path,
            f"must be a duration, not {_shown(value)}: write `30s`, `10m`, `1h30m`, `15d` or whole seconds",
        )
        return None
    if not least_s * 1000 <= ms <= LONGEST_MS:
        wrong(path, f"must be from {least_s}s to {_duration_text(LONGEST_MS)}, not {_shown(value)}")
        return None
    return ms


def _seconds_or_text(text: str) -> object:
    return int(text) if re.fullmatch(r"-?\d{1,18}", text, re.ASCII) else text


def _duration(least_s: int = 1, *, off: bool = False) -> Kind:
    def read(value: object, path: str, wrong: Wrong) -> int | None:
        return None if off and value == "none" else _duration_ms(value, path, wrong, least_s)

    return Kind(read, lambda ms: "none" if ms is None else _duration_text(ms), _seconds_or_text)


def _read_headline(value: object, path: str, wrong: Wrong) -> int | None:
    ms = _duration_ms(value, path, wrong)
    if ms is not None and ms not in [bound * 1000 for bound in BOUNDS_S]:
        known = ", ".join(f"{bound}s" for bound in BOUNDS_S)
        wrong(path, f"must be a bound of the histogram, not {_shown(value)}: one of {known}")
    return ms


def _read_days(value: object, path: str, wrong: Wrong) -> int:
    ms = _duration_ms(value, path, wrong, 0)
    if ms is not None and ms % DAY_MS:
        wrong(path, f"must be whole days, not {_shown(value)}: write `3d` (a bare number is seconds)")
    return (ms or 0) // DAY_MS


def _whole(least: int, most: int = 1_000_000) -> Kind:
    def read(value: object, path: str, wrong: Wrong) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            wrong(path, f"must be a whole number, not {_shown(value)}: write it bare, without quotes or unit")
            return least
        if not least <= value <= most:
            wrong(path, f"must be from {least} to {most}, not {value}")
        return value

    return Kind(read, lambda value: value, _seconds_or_text)


def _read_yes_no(value: object, path: str, wrong: Wrong) -> bool:
    if not isinstance(value, bool):
        wrong(path, f"must be true or false, not {_shown(value)}: write it without quotes")
    return value is True


def _read_ratio(value: object, path: str, wrong: Wrong) -> Fraction:
    finite = isinstance(value, int | Decimal) and not isinstance(value, bool) and Decimal(value).is_finite()
    ratio = Fraction(value) if finite and isinstance(value, int | Decimal) else Fraction(-1)
    if not 0 <= ratio < 1:
        wrong(
            path,
            f"must be a number from 0 to below 1, not {_shown(value)}: at 1 an alert would end as it begins",
        )
    elif 10_000 % ratio.denominator:
        wrong(path, f"must have at most four decimals, not {_shown(value)}: write `{float(ratio):.2f}`")
    return ratio


def _ratio_of(text: str) -> object:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _read_ident(value: object, path: str, wrong: Wrong) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", value):
        wrong(
            path,
            f"must be 1 to 64 of letters, digits, `-`, `_`, `.`, not {_shown(value)}: it is part of every fact",
        )
    return str(value)


def _read_instant(value: object, path: str, wrong: Wrong) -> int:
    instant = value
    if isinstance(value, str):
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            instant = None
    if not isinstance(instant, datetime) or instant.tzinfo is None:
        wrong(path, f"must be a time with an offset, not {_shown(value)}: write `2026-11-21T00:00:00+08:00`")
        return 0
    ms = (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    if ms < 0:
        wrong(
            path, f"must not be before 1970, not {_shown(value)}: write `1970-01-01T00:00:00Z` for ever since"
        )
    return ms


def _instant_text(ms: int) -> str:
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return instant.isoformat(timespec="milliseconds" if ms % 1000 else "seconds").replace("+00:00", "Z")


def _read_zone(value: object, path: str, wrong: Wrong) -> str:
    try:
        if isinstance(value, str):
            zoneinfo.ZoneInfo(value)
            return value
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        pass  # told below: whatever the reason, it is no name of a zone
    near = difflib.get_close_matches(str(value), zoneinfo.available_timezones(), 1, 0.6)
    wrong(
        path,
        f"must be an IANA time zone, not {_shown(value)}: write `{near[0] if near else 'Asia/Shanghai'}`",
    )
    return str(value)


# ------------------------------------------------------------------------------------------- times of day


def _time_ms(text: object) -> int | None:
    match = (
        re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)|24:00", text, re.ASCII) if isinstance(text, str) else None
    )
    if not match:
        return None
    return DAY_MS if match[1] is None else int(match[1]) * 3_600_000 + int(match[2]) * 60_000


def _time_text(ms: int) -> str:
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}"


def _span(off: str, *, over_midnight: bool) -> Kind:
    def read(value: object, path: str, wrong: Wrong) -> tuple[int, int] | None:
        if value in (off, "none"):
            return None
        start, _, end = value.partition("-") if isinstance(value, str) else ("", "", "")
        start_ms, end_ms = _time_ms(start.strip()), _time_ms(end.strip())
        if start_ms is None or end_ms is None or start_ms == DAY_MS:
            wrong(path, f'must be two times of day, not {_shown(value)}: write "08:00-23:00", or "{off}"')
            return None
        if over_midnight:
            if start_ms == end_ms % DAY_MS:
                wrong(
                    path, f'must leave some of the day, not {_shown(value)}: write "01:00-08:30", or "{off}"'
                )
        elif start_ms >= end_ms:
            wrong(
                path,
                f"must end after it starts, within one local day, not {_shown(value)}: 24:00 is the latest end",
            )
        return start_ms, end_ms

    return Kind(read, lambda span: off if span is None else "-".join(map(_time_text, span)))


def _read_times(value: object, path: str, wrong: Wrong) -> tuple[int, ...]:
    times: list[int] = []
    for at, item in _items(value, path, wrong, '["23:30", "23:45"]'):
        ms = _time_ms(item)
        if ms is None or ms == DAY_MS:
            wrong(at, f'must be a time of day before 24:00, not {_shown(item)}: write "23:30"')
        elif times and ms <= times[-1]:
            wrong(at, f'must be later than the one before, "{_time_text(times[-1])}", not {_shown(item)}')
        else:
            times.append(ms)
    return tuple(times)


# ------------------------------------------------------------------------------------------- lists and tables


def _items(value: object, path: str, wrong: Wrong, example: str) -> Iterator[tuple[str, object]]:
    if not isinstance(value, list):
        wrong(path, f"must be a list, not {_shown(value)}: write `{example}`")
        return
    for index, item in enumerate(value):
        yield f"{path}[{index}]", item


def _by_comma(text: str) -> object:
    return [] if text == "none" else [part.strip() for part in text.split(",")]


def _choices(known: Sequence[str], *, least: int) -> Callable[[object, str, Wrong], tuple[str, ...]]:
    def read(value: object, path: str, wrong: Wrong) -> tuple[str, ...]:
        chosen: list[str] = []
        for at, item in _items(value, path, wrong, f'["{known[0]}", "{known[-1]}"]'):
            if item not in known:
                wrong(at, f"must be one of {', '.join(known)}, not {_shown(item)}")
            elif item in chosen:
                wrong(at, f"says {_shown(item)} twice: leave one out")
            else:
                chosen.append(str(item))
        if isinstance(value, list) and len(value) < least:
            wrong(path, f"must not be empty: name at least one of {', '.join(known)}")
        return tuple(chosen)

    return read


def _senders(*, least: int) -> Kind:
    read = _choices(SENDERS, least=least)
    return Kind(
        lambda value, path, wrong: frozenset(read(value, path, wrong)),
        lambda chosen: [sender for sender in SENDERS if sender in chosen],
        _by_comma,
    )


def _unmatchable(character: str) -> bool:
    """A closing courtesy is compared without these (SPEC 4)."""
    return (
        character in "~～"
        or unicodedata.category(character)[0] in "PZ"
        or unicodedata.category(character) == "Cc"
    )


def _read_words(value: object, path: str, wrong: Wrong) -> tuple[str, ...]:
    words: dict[str, str] = {}
    for at, item in _items(value, path, wrong, '["好的", "ok"]'):
        if not isinstance(item, str) or not item:
            wrong(at, f"must be a word in quotes, not {_shown(item)}")
        elif removed := "".join(filter(_unmatchable, item)):
            wrong(
                at,
                f"could never match, {_shown(item)} has {_shown(removed)}, removed before comparing: leave that out",
            )
        elif item.casefold() in words:
            wrong(at, f"says {_shown(item)} twice (case does not matter): leave one out")
        else:
            words[item.casefold()] = item
    return tuple(words.values())


def _rows(
    value: object, path: str, wrong: Wrong, names: tuple[str, str], example: str
) -> Iterator[tuple[str, Any, Any]]:
    """The rows of a list of pairs, each a table with those names or a text with a space between."""
    for at, item in _items(value, path, wrong, example):
        pair = item
        if isinstance(item, str) and len(parts := item.split()) == len(names):
            pair = {names[0]: _seconds_or_text(parts[0]), names[1]: parts[1]}
        if not isinstance(pair, dict):
            wrong(
                at, f"must be a table of `{names[0]}` and `{names[1]}`, not {_shown(item)}: write `{example}`"
            )
            continue
        for name in pair:
            if name not in names:
                wrong(f"{at}.{name}", f"is not known: {_near(name, names)}")
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
        over_ms = _duration_ms(over, f"{at}.over", wrong)
        if severity not in SEVERITIES:
            wrong(f"{at}.severity", f"must be one of {', '.join(SEVERITIES)}, not {_shown(severity)}")
        if over_ms is None or severity not in SEVERITIES:
            continue
        if levels and over_ms <= levels[-1].over_ms:
            before = _duration_text(levels[-1].over_ms)
            wrong(
                f"{at}.over",
                f"must be > {last}.over, not {_shown(over)} after {before}: write the levels in rising order",
            )
        if levels and SEVERITIES.index(severity) < SEVERITIES.index(levels[-1].severity):
            worst = levels[-1].severity
            wrong(
                f"{at}.severity",
                f"must not be milder than {last}.severity, not {_shown(severity)} after {worst}",
            )
        levels.append(Level(over_ms, severity))
        last = at
    if value == []:
        wrong(path, 'must not be empty: write at least `[{ over = "30s", severity = "warning" }]`')
    return tuple(levels)


def _read_stages(value: object, path: str, wrong: Wrong) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    last = ""
    example = '[{ after = "12h", channels = ["chat"] }, { after = "72h", channels = ["lost"] }]'
    for at, after, named in _rows(value, path, wrong, ("after", "channels"), example):
        after_ms = _duration_ms(after, f"{at}.after", wrong)
        listed = named.split("+") if isinstance(named, str) else named
        channels = _choices(("chat", "sms", "lost"), least=1)(listed, f"{at}.channels", wrong)
        if "lost" in channels and len(channels) > 1:
            wrong(
                f"{at}.channels",
                f"must be `lost` alone, not {_shown(named)}: nobody is asked at the deadline",
            )
        if after_ms is None:
            continue
        if stages and after_ms <= stages[-1].after_ms:
            wrong(
                f"{at}.after",
                f"must be > {last}.after, not {_shown(after)} after {stages[-1].name}: write them in rising order",
            )
        if stages and stages[-1].channels == ("lost",):
            wrong(at, f"comes after the lost stage, {last}: nothing can follow the deadline")
        stages.append(
            Stage(after if isinstance(after, str) else _duration_text(after_ms), after_ms, channels)
        )
        last = at
    if isinstance(value, list) and not any("lost" in stage.channels for stage in stages):
        wrong(path, 'must end with the deadline: add `{ after = "72h", channels = ["lost"] }`')
    return tuple(stages)


def _read_long_wait(value: object, path: str, wrong: Wrong) -> tuple[str, int]:
    pair = value
    if isinstance(value, str) and len(parts := value.split()) <= 2:
        pair = dict(zip(("mode", "over"), map(_seconds_or_text, parts), strict=False))
    if not isinstance(pair, dict):
        pair = {}
    for name in pair:
        if name not in ("mode", "over"):
            wrong(f"{path}.{name}", f"is not known: {_near(str(name), ('mode', 'over'))}")
    mode = pair.get("mode")
    if mode not in LONG_WAITS:
        wrong(
            path,
            f'must be `{{ mode = "exclude", over = "30m" }}`, mode `cap`, or "none", not {_shown(value)}',
        )
    elif mode == "none":
        if "over" in pair:
            wrong(
                f"{path}.over",
                f"has no use with none, {_shown(pair['over'])}: leave it out, or say `exclude` or `cap`",
            )
    elif "over" not in pair:
        wrong(f"{path}.over", f'is missing: write `{{ mode = "{mode}", over = "30m" }}`')
    else:
        return str(mode), _duration_ms(pair["over"], f"{path}.over", wrong) or 0
    return "none", 0


# ------------------------------------------------------------------------------------------- the fields

_YES_NO = Kind(_read_yes_no, lambda value: value, lambda text: {"true": True, "false": False}.get(text, text))
_LEVELS = Kind(
    _read_levels,
    lambda levels: [{"over": _duration_text(level.over_ms), "severity": level.severity} for level in levels],
    _by_comma,
)
_STAGES = Kind(
    _read_stages,
    lambda stages: [{"after": stage.name, "channels": list(stage.channels)} for stage in stages],
    _by_comma,
)
_LONG_WAIT = Kind(
    _read_long_wait,
    lambda pair: "none" if pair[0] == "none" else {"mode": pair[0], "over": _duration_text(pair[1])},
)
_WORDS = Kind(_read_words, list, lambda text: [] if text == "none" else re.split(r"[,\s]+", text))


def _as(name: str, kind: Kind) -> dict[str, object]:
    return {"name": name, "kind": kind}


@dataclass(frozen=True, slots=True)
class Policy:
    """Every threshold of SPEC 2. Immutable and hashable; durations in ms, times of day in ms of the local day.

    Get one from `load` or `with_settings`: they check it, the constructor does not.
    """

    id: str = field(metadata=_as("id", Kind(_read_ident, str)))
    version: int = field(metadata=_as("version", _whole(1)))
    valid_from_ms: int = field(metadata=_as("valid_from", Kind(_read_instant, _instant_text)))
    timezone: str = field(metadata=_as("timezone", Kind(_read_zone, str)))

    effective_response: frozenset[str] = field(metadata=_as("effective.response", _senders(least=1)))
    effective_reply_rate: frozenset[str] = field(metadata=_as("effective.reply_rate", _senders(least=1)))
    effective_queue: frozenset[str] = field(metadata=_as("effective.queue", _senders(least=0)))

    long_wait: str = field(metadata=_as("long_wait", _LONG_WAIT))  # sets long_wait_ms too
    long_wait_ms: int
    hours: tuple[int, int] | None = field(metadata=_as("hours", _span("always", over_midnight=False)))
    headline_ms: int = field(metadata=_as("headline", Kind(_read_headline, _duration_text, _seconds_or_text)))
    session_gap_ms: int = field(metadata=_as("session_gap", _duration()))

    levels: tuple[Level, ...] = field(metadata=_as("alert.levels", _LEVELS))
    clear_ratio: Fraction = field(metadata=_as("alert.clear_ratio", Kind(_read_ratio, float, _ratio_of)))
    stale_after_ms: int = field(metadata=_as("alert.stale_after", _duration()))
    notify_settle_ms: int = field(metadata=_as("notify.settle", _duration(0)))

    closing_words: tuple[str, ...] = field(metadata=_as("closing.words", _WORDS))
    closing_alert: bool = field(metadata=_as("closing.alert", _YES_NO))
    closing_in_response_time: bool = field(metadata=_as("closing.in_response_time", _YES_NO))
    closing_in_reply_rate: bool = field(metadata=_as("closing.in_reply_rate", _YES_NO))

    overload_open_waits: int = field(metadata=_as("overload.open_waits", _whole(1)))
    overload_over_30: int = field(metadata=_as("overload.over_30", _whole(1)))
    overload_concurrent: int = field(metadata=_as("overload.concurrent", _whole(1)))
    idle_online_wait_ms: int = field(metadata=_as("idle_online.wait", _duration()))
    idle_online_silent_ms: int = field(metadata=_as("idle_online.silent", _duration()))
    with_waits_over_ms: int = field(metadata=_as("with_waits.over", _duration(0)))
    midnight_at: tuple[int, ...] = field(
        metadata=_as(
            "midnight.at", Kind(_read_times, lambda times: [_time_text(ms) for ms in times], _by_comma)
        )
    )
    feed_silent_over_ms: int | None = field(metadata=_as("feed_silent.over", _duration(off=True)))
    reply_rate_target: int = field(metadata=_as("reply_rate.target", _whole(1, 100)))
    reply_rate_after: int = field(metadata=_as("reply_rate.after", _whole(1)))
    reply_rate_settle_ms: int = field(metadata=_as("reply_rate.settle", _duration(0)))
    storm_over_ms: int = field(metadata=_as("storm.over", _duration()))
    storm_waits: int = field(metadata=_as("storm.waits", _whole(1)))
    storm_within_ms: int = field(metadata=_as("storm.within", _duration()))

    unpaid_stages: tuple[Stage, ...] = field(metadata=_as("unpaid.stages", _STAGES))
    unpaid_quiet: tuple[int, int] | None = field(
        metadata=_as("unpaid.quiet", _span("none", over_midnight=True))
    )
    unpaid_max_per_24h: int = field(metadata=_as("unpaid.max_per_24h", _whole(1)))
    unpaid_min_gap_ms: int = field(metadata=_as("unpaid.min_gap", _duration(0)))
    unpaid_grace_ms: int = field(metadata=_as("unpaid.grace", _duration(0)))
    unpaid_cod_contact_ms: int = field(metadata=_as("unpaid.cod_contact", _duration()))

    attribution_order: tuple[str, ...] = field(
        metadata=_as("attribution.order", Kind(_choices(("memo", "sku", "chat"), least=1), list, _by_comma))
    )
    attribution_lookback_ms: int = field(metadata=_as("attribution.lookback", _duration()))
    attribution_final_window_days: int = field(
        metadata=_as("attribution.final_window", Kind(_read_days, lambda days: f"{days}d", _seconds_or_text))
    )
    attribution_reversal_ms: int = field(metadata=_as("attribution.reversal", _duration(0)))
    attribution_aftersale_ms: int = field(metadata=_as("attribution.aftersale", _duration(0)))
    attribution_order_ttl_ms: int = field(metadata=_as("attribution.order_ttl", _duration()))

    lateness_horizon_ms: int = field(metadata=_as("lateness.horizon", _duration(0)))
    wait_ttl_ms: int | None = field(metadata=_as("wait_ttl", _duration(off=True)))
    live_within_ms: int = field(metadata=_as("live.within", _duration()))

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


_FIELDS: Mapping[str, tuple[str, Kind]] = {
    f.metadata["name"]: (f.name, f.metadata["kind"]) for f in fields(Policy) if "name" in f.metadata
}
_IDENTITY = ("id", "version", "valid_from")  # what a file says of itself; no setting


# ------------------------------------------------------------------------------------------- lines of a file

_TOKEN = re.compile(
    r"""(?P<space>[^\S\n]+|\#[^\n]*)
      | (?P<string>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
      | (?P<mark>[\[\]{},=.\n])
      | (?P<word>[^\s\[\]{},=.\#"']+)""",
    re.VERBOSE | re.DOTALL,
)


class _KeyLines:
    """Where each key of a TOML text stands: path (`alert.levels[1].over`) to line.

    The parser of the standard library tells the values only. The text is known to be valid when it comes here, so
    brackets and keys are all there is to follow; what a value says does not matter.
    """

    def __init__(self, text: str) -> None:
        self.lines: dict[str, int] = {}
        self._tokens: list[tuple[str, int]] = []
        line = 1
        for match in _TOKEN.finditer(text):
            if match.lastgroup != "space":
                self._tokens.append((match[0], line))
            line += match[0].count("\n")
        self._tokens.append(("", line))
        self._at = 0
        self._tables: dict[str, int] = {}
        self._document()

    def line(self, path: str) -> int:
        """The line of the path, else of what is around it, else 1."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return 1

    def _peek(self) -> str:
        return self._tokens[self._at][0]

    def _next(self) -> str:
        token = self._peek()
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _key(self, path: str, *, array: bool = False) -> str:
        """Reads a dotted key and gives its path, inside the newest table where a part is an array of tables."""
        while True:
            line = self._tokens[self._at][1]
            part = self._next()
            path = f"{path}.{part.strip(chr(34) + chr(39))}".removeprefix(".")
            self.lines.setdefault(path, line)
            more = self._peek() == "."
            if array and not more:
                self._tables[path] = self._tables.get(path, -1) + 1
            if path in self._tables:
                path = f"{path}[{self._tables[path]}]"
                self.lines.setdefault(path, line)
            if not more:
                return path
            self._next()

    def _document(self) -> None:
        table = ""
        while self._peek():
            if self._peek() == "\n":
                self._next()
            elif self._peek() == "[":
                self._next()
                array = self._peek() == "["
                if array:
                    self._next()
                table = self._key("", array=array)
                while self._peek() == "]":
                    self._next()
            else:
                path = self._key(table)
                self._next()
                self._value(path)

    def _value(self, path: str) -> None:
        self.lines.setdefault(path, self._tokens[self._at][1])
        opened = self._peek()
        if opened not in ("[", "{"):
            while self._peek() not in ("\n", ",", "]", "}", ""):
                self._next()
            return
        self._next()
        index = 0
        while self._peek() not in ("]", "}", ""):
            if self._peek() in ("\n", ","):
                self._next()
            elif opened == "[":
                self._value(f"{path}[{index}]")
                index += 1
            else:
                key = self._key(path)
                self._next()
                self._value(key)
        self._next()


# ------------------------------------------------------------------------------------------- load, change, show


def _attributes(name: str, value: Any) -> dict[str, Any]:
    """A read value by the attributes of `Policy` that hold it."""
    if name == "long_wait":
        return {"long_wait": value[0], "long_wait_ms": value[1]}
    return {_FIELDS[name][0]: value}


def _read_table(table: Mapping[str, object], prefix: str, values: dict[str, Any], wrong: Wrong) -> None:
    for key, value in table.items():
        name = f"{prefix}{key}"
        inside = [known for known in _FIELDS if known.startswith(f"{name}.")]
        if name in _FIELDS:
            values |= _attributes(name, _FIELDS[name][1].read(value, name, wrong))
        elif not inside:
            tables = {known.partition(".")[0] for known in _FIELDS if "." in known}
            wrong(
                name, f"is not known: {_near(name, sorted(tables) if isinstance(value, dict) else _FIELDS)}"
            )
        elif isinstance(value, dict):
            _read_table(value, f"{name}.", values, wrong)
        else:
            wrong(name, f"must be a table, not {_shown(value)}: its fields are {', '.join(inside)}")


def _told_apart(policy: Policy, origin: Policy) -> Policy:
    """The origin if the policy says the same, else the policy with a tag that is not the origin's."""
    if replace(policy, changed=origin.changed) == origin:
        return origin
    said = json.dumps(describe(policy), sort_keys=True)
    return replace(policy, changed=hashlib.sha256(said.encode()).hexdigest()[:8])


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", str(error))
        line = place[1] if place and place[1] else str(text.count("\n") + 1)
        said = str(error).replace(place[0], "") if place else str(error)
        raise PolicyError([f"{source}:{line}: is not TOML here: {said}"]) from None
    except (
        RecursionError,
        ValueError,
    ) as error:  # what the parser itself lets through: depth, endless numbers
        raise PolicyError([f"{source}:1: cannot be read as TOML: {error}"]) from None


def _read(text: str, source: str, *, complete: bool = False) -> Policy:
    """The policy of a file's text; `complete`: it extends nothing and must give every field."""
    table = _parse(text, source)
    problems: list[tuple[str, str]] = []

    def wrong(path: str, said: str) -> None:
        problems.append((path, said))

    values: dict[str, Any] = {}
    if not complete:
        extended = table.pop("extends", "handbook")
        if extended not in profiles():
            near = _near(str(extended), profiles())
            wrong("extends", f"must be a shipped profile, not {_shown(extended)}: {near}")
            extended = "handbook"
        parent = _shipped(extended)
        values |= {f.name: getattr(parent, f.name) for f in fields(Policy) if f.init}
    _read_table(table, "", values, wrong)
    if complete:
        for name, (attribute, _) in _FIELDS.items():
            if attribute not in values:
                wrong(name, "is missing: this file must give every field")
    elif "id" in table and "version" not in table:
        wrong(
            "version",
            "is missing: a policy with an id of its own counts its own versions, write `version = 1`",
        )
    if problems:
        keys = _KeyLines(text)
        placed = sorted(
            ((keys.line(path), f"{path} {said}") for path, said in problems), key=lambda at: at[0]
        )
        raise PolicyError([f"{source}:{line}: {said}" for line, said in placed])
    return Policy(**values)


def _folder() -> Any:
    return importlib.resources.files("csstream") / "policies"


@functools.cache
def profiles() -> tuple[str, ...]:
    """The names of the shipped profiles, `handbook` (the default) first."""
    names = {
        entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml")
    }
    return ("handbook", *sorted(names - {"handbook"}))


@functools.cache
def _shipped(name: str) -> Policy:
    text = (_folder() / f"{name}.toml").read_text("utf-8")
    return _read(text, f"policies/{name}.toml", complete=name == "handbook")


def load(name_or_file: str) -> Policy:
    """The shipped profile of that name, else the policy in that file (SPEC 2).

    A file extends a profile (`extends = "tmall"`, else handbook) and gives what differs. One without an `id` of its
    own is the profile changed, and its tag says so. Raises `PolicyError` with every mistake at its line.
    """
    if name_or_file in profiles():
        return _shipped(name_or_file)
    try:
        text = Path(name_or_file).read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise PolicyError([f"{name_or_file}: is not UTF-8: save it as UTF-8"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        near = _near(name_or_file, profiles())
        raise PolicyError(
            [f"{name_or_file}: is no shipped profile and cannot be read ({reason}): {near}"]
        ) from None
    policy = _read(text, name_or_file)
    # A shipped id is taken: whatever else calls itself so says that it is not the shipped one.
    return _told_apart(policy, _shipped(policy.id)) if policy.id in profiles() else policy


def with_settings(policy: Policy, settings: Iterable[str]) -> Policy:
    """The policy with fields set as on the command line, `["wait_ttl=48h", "long_wait=none"]`; the last one stands.

    Lists are parted by commas (`alert.levels=15s info,30s warning`). If anything differs the tag gets a hash of all
    settings (`handbook@1+0c9a2f11`). Raises `PolicyError` with every mistake, by the setting that has it.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    settable = [name for name in _FIELDS if name not in _IDENTITY]
    for setting in settings:
        name, equals, text = (part.strip() for part in setting.partition("="))
        place = f"--set {setting}"

        def wrong(path: str, said: str, place: str = place) -> None:
            problems.append(f"{place}: {path} {said}")

        if not equals:
            problems.append(f"{place}: must be FIELD=VALUE, as `wait_ttl=48h`")
        elif name in _IDENTITY:
            wrong(
                name, "is what a policy's file says of itself: write a file with `extends` to give it another"
            )
        elif name not in settable:
            wrong(name, f"is not known: {_near(name, settable)}")
        else:
            kind = _FIELDS[name][1]
            values |= _attributes(name, kind.read(kind.parse(text), name, wrong))
    if problems:
        raise PolicyError(problems)
    changed = _told_apart(replace(policy, **values), policy)
    return _told_apart(changed, _shipped(policy.id)) if policy.id in profiles() else changed


def describe(policy: Policy) -> dict[str, object]:
    """All fields by their SPEC names, as JSON values; written as TOML they load as the same policy."""
    shown: dict[str, object] = {}
    for name, (attribute, kind) in _FIELDS.items():
        value = getattr(policy, attribute)
        shown[name] = kind.show((value, policy.long_wait_ms) if name == "long_wait" else value)
    return shown
