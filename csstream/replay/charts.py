"""Charts as inline SVG: no script, no font, no file beside the page, and few bytes for many days.

A year of days is one path, not 365 elements; colours are classes, so that one drawing serves light, dark and paper.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from csstream.replay.markup import Html, join, tag, text

WIDTH, HEIGHT = 560, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 18, 24
_ACROSS = WIDTH - _LEFT - _RIGHT
_DOWN = HEIGHT - _TOP - _BOTTOM

TOLD_DAYS = 62
"""Up to so many days each has a tooltip; beyond, they would weigh more than the chart."""


@dataclass(frozen=True)
class Series:
    """Values in the order of the chart's places; None is no sample, which is a gap and never a zero."""

    colour: str
    """A class of the style sheet."""
    name: Html
    values: Sequence[float | None]


def number(value: float) -> str:
    """A coordinate in few characters."""
    return f"{value:.1f}".removesuffix(".0")


def figure(caption: Html, drawing: Html, legend: Iterable[tuple[str, Html]] = ()) -> Html:
    """A chart with its caption and the meaning of its colours."""
    keys = join(
        tag("span", tag("i", class_=f"key {colour}"), name, class_="entry") for colour, name in legend
    )
    return tag("figure", tag("figcaption", tag("span", caption), tag("span", keys, class_="legend")), drawing)


def columns(
    label: str,
    names: Sequence[str],
    parts: Sequence[Series],
    tops: Sequence[str] = (),
    tips: Sequence[str] = (),
    every: int = 1,
) -> Html:
    """Stacked columns over named places; `tops` stand above the columns, every `every`-th name below."""
    sums = [sum(part.values[at] or 0 for part in parts) for at in range(len(names))]
    scale = _Scale(0, max(sums, default=0), whole=True)
    step = _ACROSS / max(len(names), 1)
    shown: list[str] = [_grid(scale)]
    for at, name in enumerate(names):
        left = _LEFT + at * step + step * 0.12
        base = 0.0
        bars: list[str] = []
        for part in parts:
            value = part.values[at] or 0
            if value:
                top = scale.y(base + value)
                bars.append(_rect(left, top, step * 0.76, scale.y(base) - top, part.colour))
            base += value
        middle = left + step * 0.38
        if tops and tops[at]:
            bars.append(_label(middle, scale.y(base) - 4, tops[at], "middle", "top"))
        if at % every == 0:
            bars.append(_label(middle, HEIGHT - 8, name, "middle"))
        tip = [tag("title", tips[at])] if tips else []
        # The invisible column above and below the bar is part of what the tooltip belongs to.
        hit = [_rect(left, _TOP, step * 0.76, _DOWN, "hit")] if tips else []
        shown.append(tag("g", *tip, *hit, *bars))
    return _svg(label, shown)


def days_lines(
    label: str,
    days: Sequence[int],
    lines: Sequence[Series],
    low: float,
    high: float | None,
    unit: str,
    tips: Sequence[str],
) -> Html:
    """Lines over days (ordinals, ascending). A day without sample breaks the line. `high` None: by the data."""
    values = [value for line in lines for value in line.values if value is not None]
    scale = _Scale(low, max(values, default=0) if high is None else high, fixed=high is not None)
    across = _Days(days)
    shown = [_grid(scale, unit), across.ticks()]
    for line in lines:
        steps: list[str] = []
        last = 0
        for day, value in zip(days, line.values, strict=True):
            if value is None:
                continue
            spot = f"{number(across.x(day))} {number(scale.y(value))}"
            # A line of no length is a dot with round ends: a lonely day is seen.
            steps.append(f"L{spot}" if steps and day == last + 1 else f"M{spot}h0")
            last = day
        weight = "line" if len(days) <= TOLD_DAYS else "line thin"
        shown.append(tag("path", class_=f"{weight} {line.colour}", d="".join(steps)))
    shown.append(across.tips(tips))
    return _svg(label, shown)


def days_columns(label: str, days: Sequence[int], parts: Sequence[Series], tips: Sequence[str]) -> Html:
    """Stacked columns over days (ordinals, ascending)."""
    sums = [sum(part.values[at] or 0 for part in parts) for at in range(len(days))]
    scale = _Scale(0, max(sums, default=0), whole=True)
    across = _Days(days)
    width = min(across.step * 0.76, 40)
    shown = [_grid(scale), across.ticks()]
    base = [0.0] * len(days)
    for part in parts:
        strokes: list[str] = []
        for at, day in enumerate(days):
            value = part.values[at] or 0
            if value:
                strokes.append(
                    f"M{number(across.x(day))} {number(scale.y(base[at]))}V{number(scale.y(base[at] + value))}"
                )
                base[at] += value
        shown.append(
            tag(
                "path",
                class_=f"strokes {part.colour}",
                stroke_width=number(max(width, 0.8)),
                d="".join(strokes),
            )
        )
    shown.append(across.tips(tips))
    return _svg(label, shown)


def bar(share: float | None, colour: str = "good") -> Html:
    """A small bar of a share 0..1; nothing without a sample."""
    if share is None:
        return Html("")
    return tag(
        "svg",
        tag("rect", class_="track", width=60, height=7),
        tag("rect", class_=colour, width=number(60 * share), height=7),
        class_="bar",
        viewBox="0 0 60 7",
        aria_hidden="true",
    )


def spark(shares: Sequence[float | None], low: float = 0) -> Html:
    """A tiny line of shares `low`..1 in even steps; no sample is a gap."""
    step = 84 / max(len(shares) - 1, 1)
    steps: list[str] = []
    gap = True
    for at, share in enumerate(shares):
        if share is not None:
            spot = f"{number(3 + at * step)} {number(17 - 14 * (share - low) / (1 - low))}"
            steps.append(f"M{spot}h0" if gap else f"L{spot}")
        gap = share is None
    return tag(
        "svg",
        tag("path", class_="axis", d="M0 3H90"),
        tag("path", class_="line s1", d="".join(steps)),
        class_="spark",
        viewBox="0 0 90 20",
        aria_hidden="true",
    )


class _Scale:
    """Values to heights, with round ticks: four steps up to a given `high`, else as many as the data needs."""

    def __init__(self, low: float, high: float, *, whole: bool = False, fixed: bool = False) -> None:
        self.low = low
        room = max(high - low, 1 if whole else 1e-3)
        raw = room / 4
        size = 1e-4
        while size * 10 <= raw:
            size *= 10
        step = raw if fixed else next(size * by for by in (1, 2, 2.5, 5, 10) if size * by >= raw)
        self.step = max(1.0, float(int(step))) if whole else step
        self.count = max(1, math.ceil(round(room / self.step, 9)))
        self.high = low + self.step * self.count

    def y(self, value: float) -> float:
        """The height on the paper, from above."""
        share = (value - self.low) / (self.high - self.low)
        return _TOP + _DOWN * (1 - min(max(share, 0.0), 1.0))

    def ticks(self) -> list[float]:
        """The values that have a line."""
        return [self.low + self.step * at for at in range(self.count + 1)]


class _Days:
    """Days to places: by the calendar, so that a day without rows takes its room."""

    def __init__(self, days: Sequence[int]) -> None:
        self._days = days
        self._first = days[0] if days else 1
        self.last = days[-1] if days else 1
        self.step = _ACROSS / (self.last - self._first + 1)

    def x(self, day: int) -> float:
        """The middle of the day."""
        return _LEFT + (day - self._first + 0.5) * self.step

    def ticks(self) -> Html:
        """Up to seven dates, the first and the last among them."""
        span = self.last - self._first
        parts = min(span, 6)
        marks = sorted({self._first + span * at // max(parts, 1) for at in range(parts + 1)})
        part = slice(2, 7) if span > 330 else slice(5, 10)
        return join(
            _label(
                min(self.x(day), WIDTH - 14), HEIGHT - 8, date.fromordinal(day).isoformat()[part], "middle"
            )
            for day in marks
        )

    def tips(self, tips: Sequence[str]) -> Html:
        """An invisible column with a tooltip for each day, if there are few."""
        if len(self._days) > TOLD_DAYS:
            return Html("")
        return join(
            tag("g", tag("title", tip), _rect(self.x(day) - self.step / 2, _TOP, self.step, _DOWN, "hit"))
            for day, tip in zip(self._days, tips, strict=True)
        )


def _svg(label: str, shown: Sequence[str]) -> Html:
    return tag("svg", *shown, class_="chart", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label)


def _grid(scale: _Scale, unit: str = "") -> Html:
    right = WIDTH - _RIGHT
    lines = "".join(f"M{_LEFT} {number(scale.y(value))}H{right}" for value in scale.ticks())
    labels = (_label(_LEFT - 5, scale.y(value) + 3.5, _short(value) + unit, "end") for value in scale.ticks())
    return join((tag("path", class_="axis", d=lines), *labels))


def _short(value: float) -> str:
    """A tick in at most five characters."""
    if value >= 10_000:
        return f"{value / 1000:g}k"
    return f"{round(value, 3):g}"


def _rect(x: float, y: float, width: float, height: float, colour: str) -> Html:
    return Html(
        f'<rect class="{colour}" x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"/>'
    )


def _label(x: float, y: float, shown: str, anchor: str, colour: str = "tick") -> Html:
    return Html(
        f'<text class="{colour}" x="{number(x)}" y="{number(y)}" text-anchor="{anchor}">{text(shown)}</text>'
    )
