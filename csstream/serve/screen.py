"""The live screen: a view becomes exactly as many lines as the terminal has.

Whatever has a colour has a shape too (`!`, `!!`), for those who see no red and for terminals that have none. Only
ASCII and Chinese are used: boxes, arrows and dots are one cell wide in some terminals in China and two in others,
and one such character breaks every line it stands in.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from csstream.serve.view import AgentLine, AlertLine, OpenWait, View
from csstream.serve.words import alert_text, say, short, span, weekday

WIDE = 120
"""Columns from which the agents stand beside the waits."""

LEAST_WIDTH, LEAST_HEIGHT = 60, 16
"""In a smaller terminal the screen is cut off."""

MARKS = {"": "", "info": "-", "warning": "!", "critical": "!!", "breach": "!!!", "lost": "***"}
_STYLES = {
    "": "",
    "info": "cyan",
    "warning": "yellow",
    "critical": "bold red",
    "breach": "bold white on red",
    "lost": "bold white on magenta",
}
_STATES = {"online": "green", "hung": "yellow", "away": "yellow", "offline": "dim"}

_SEGMENTS = {
    "0": (" _ ", "| |", "|_|"),
    "1": ("   ", "  |", "  |"),
    "2": (" _ ", " _|", "|_ "),
    "3": (" _ ", " _|", " _|"),
    "4": ("   ", "|_|", "  |"),
    "5": (" _ ", "|_ ", " _|"),
    "6": (" _ ", "|_ ", "|_|"),
    "7": (" _ ", "  |", "  |"),
    "8": (" _ ", "|_|", "|_|"),
    "9": (" _ ", "|_|", " _|"),
    ":": (" ", ".", "."),
    ".": (" ", " ", "."),
    "-": ("   ", " _ ", "   "),
    "%": ("   ", "o/ ", "/o "),
    "h": ("   ", "|_ ", "| |"),
}
_AGENTS_WIDTH = 72
_HEAD, _HEROES, _FOOT = 2, 5, 1


@dataclass(frozen=True)
class Status:
    """What the screen says of the run itself."""

    speed: float
    address: str
    age_s: float
    """How long ago, by the wall clock, the instant was that is shown."""
    events: int
    rate: float
    dead: int
    policy: str
    language: str
    mode: str = ""
    """`paused` or `reading`, else empty."""
    keys: bool = False


class Screen:
    """Draws views of shops in one time zone."""

    def __init__(self, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)

    def local(self, ms: int) -> datetime:
        """The local time of an instant."""
        return datetime.fromtimestamp(ms // 1000, UTC).astimezone(self._zone)

    def clock(self, ms: int) -> str:
        """The local time of an instant as `hh:mm:ss`."""
        return f"{self.local(ms):%H:%M:%S}"

    def draw(self, view: View, status: Status, width: int, height: int) -> RenderableType:
        """The whole screen, `height` lines of at most `width` cells."""
        width, height = max(width, LEAST_WIDTH), max(height, LEAST_HEIGHT)
        left = height - _HEAD - _HEROES - _FOOT
        several = len(view.shops) > 1
        top = [
            self._header(view, status, width),
            self._line(status, width),
            _heroes(view, status, width),
        ]
        foot = self._footer(status, width)
        lang = status.language
        if width >= WIDE:
            rows = max(4, left * 3 // 5)
            beside = Table.grid(padding=(0, 2, 0, 0))
            beside.add_column(width=width - _AGENTS_WIDTH - 2)
            beside.add_column(width=_AGENTS_WIDTH)
            beside.add_row(
                _waits(view.waits, rows, lang, several, width - _AGENTS_WIDTH - 2),
                _agents(view.agents, rows, lang, several),
            )
            return Group(*top, beside, self._alerts(view.alerts, left - rows, lang, several), foot)
        third = left // 3
        spare = max(0, third - 2 - max(1, len(view.waits)))
        waits_rows = third - spare
        agents_rows = min(len(view.agents) + 1, third + (left % 3 > 0) + spare)
        return Group(
            *top,
            _waits(view.waits, waits_rows, lang, several, width),
            _agents(view.agents, agents_rows, lang, several),
            self._alerts(view.alerts, left - waits_rows - agents_rows, lang, several),
            foot,
        )

    def _header(self, view: View, status: Status, width: int) -> RenderableType:
        lang = status.language
        local = self.local(view.now_ms)
        when = f"{local:%Y-%m-%d} {weekday(local.weekday(), lang)}" if view.now_ms else ""
        shop = (
            view.shops[0]
            if len(view.shops) == 1
            else say("shops", lang, n=len(view.shops))
            if view.shops
            else ""
        )
        left = Text.assemble((" csstream ", "bold"), " ", (shop, "bold"))
        right = Text.assemble(
            f"{when} ", (self.clock(view.now_ms) if when else "", "bold"), f" x{status.speed:g} "
        )
        if status.mode:
            left.append(f"   {say(status.mode, lang)}", "bold")
        return _bar(left, right, width, "reverse")

    def _line(self, status: Status, width: int) -> RenderableType:
        lang = status.language
        stale = status.age_s > 2 and not status.mode
        left = Text(f" {status.address}", "cyan")
        right = Text.assemble(
            (say("data", lang, s=f"{status.age_s:.1f} s"), "bold yellow" if stale else ""),
            f"   {say('rate', lang, n=f'{status.rate:.0f}')}   {say('events', lang, n=f'{status.events:,}')} ",
        )
        if status.dead:
            right.append(f"  {say('dead', lang, n=f'{status.dead:,}')} ", "bold yellow")
        return _bar(left, right, width, "")

    def _footer(self, status: Status, width: int) -> RenderableType:
        lang = status.language
        left = Text(f" {say('keys', lang) if status.keys else 'Ctrl-C'}", "dim")
        return _bar(left, Text(f"{status.policy} ", "dim"), width, "")

    def _alerts(self, alerts: Sequence[AlertLine], rows: int, lang: str, several: bool) -> RenderableType:
        table = _table()
        table.add_column(say("alerts", lang), width=8, no_wrap=True)
        table.add_column("", width=3, no_wrap=True)
        table.add_column(say("newest_first", lang), ratio=1, no_wrap=True, overflow="crop")
        shown = alerts[: rows - 1]
        for at_ms, alert, new in shown:
            firing = alert.state == "firing"
            style = _STYLES[alert.severity] if firing else "green" if alert.state == "resolved" else "dim"
            mark = MARKS[alert.severity] if firing else "ok" if alert.state == "resolved" else "--"
            lead = f"{alert.shop}/ " if several else ""
            text = Text(f"{lead}{alert_text(alert, lang)}", style if firing else "")
            table.add_row(self.clock(at_ms), Text(mark, style), text, style="" if new else "dim")
        return _filled(table, len(shown), rows - 1, say("quiet", lang), 2)


def _bar(left: Text, right: Text, width: int, style: str) -> Text:
    """Left and right ends of one line."""
    space = width - left.cell_len - right.cell_len
    if space < 1:
        left.truncate(max(0, width - right.cell_len - 1))
        space = max(0, width - left.cell_len - right.cell_len)
    line = Text(style=style, no_wrap=True, overflow="crop")
    line.append_text(left)
    line.append(" " * space)
    line.append_text(right)
    return line


def _big_span(ms: int) -> str:
    """A duration in at most four big characters and a colon."""
    hours, minutes = divmod(ms // 60_000, 60)
    return span(ms) if hours == 0 else f"{hours}h{minutes:02}" if hours < 10 else f"{hours}h"


def _heroes(view: View, status: Status, width: int) -> RenderableType:
    total = view.total
    lang = status.language
    worst = view.waits[0].severity if view.waits else ""
    share = total.share
    cells = (
        (say("longest", lang), _big_span(total.oldest_ms) if view.waits else "-", _STYLES[worst] or "green"),
        (say("late", lang, n=total.open), str(total.late), "bold red" if total.late else "green"),
        (
            f"{say('share', lang)} {total.within_30}/{total.waits}",
            "-" if share is None else f"{math.floor(share)}%",
            "green" if share is None or share >= 80 else "yellow" if share >= 60 else "bold red",
        ),
        (say("mean", lang), "-" if total.mean_s is None else f"{total.mean_s:.1f}", "bold"),
    )
    grid = Table.grid(expand=True)
    for _ in cells:
        grid.add_column(ratio=1, no_wrap=True, overflow="crop")
    grid.add_row(*(Text(f" {label}", "dim") for label, _, _ in cells))
    for row in range(3):
        drawn = (
            Text(
                " " + " ".join(_SEGMENTS[c][row] for c in value),
                style.replace(" on ", " ").replace("white ", ""),
            )
            for _, value, style in cells
        )
        grid.add_row(*drawn)
    grid.add_row("")
    grid.width = width
    return grid


def _table() -> Table:
    return Table(box=None, expand=True, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold underline")


def _filled(table: Table, shown: int, rows: int, nothing: str, column: int) -> Table:
    """Blank rows up to `rows`, and a word where nothing is shown at all."""
    for n in range(shown, rows):
        cells = [Text() for _ in table.columns]
        if n == 0:
            cells[column] = Text(nothing, "dim")
        table.add_row(*cells)
    return table


def _waits(waits: Sequence[OpenWait], rows: int, lang: str, several: bool, width: int) -> RenderableType:
    table = _table()
    table.add_column(say("waiting", lang), width=8, no_wrap=True, justify="right")
    table.add_column("", width=3, no_wrap=True)
    table.add_column(say("level", lang), width=7, no_wrap=True)
    table.add_column(say("customer", lang), width=9, no_wrap=True)
    table.add_column(say("with", lang), width=18 if several else 12, no_wrap=True, overflow="crop")
    table.add_column(say("messages", lang), width=5, no_wrap=True, justify="right")
    bar = max(5, width - 54 - 6 * several)
    table.add_column(say("oldest_first", lang), ratio=1, no_wrap=True, overflow="crop")
    hidden = len(waits) - (rows - 1)
    shown = waits[: rows - 1 if hidden <= 0 else rows - 2]
    for wait in shown:
        style = _STYLES[wait.severity]
        where = wait.holder or say("queue", lang)
        # A root, so that seconds can be seen beside hours.
        length = min(bar, 1 + round(bar * math.sqrt(wait.age_ms / 1_800_000)))
        table.add_row(
            Text(span(wait.age_ms), style),
            Text(MARKS[wait.severity], style),
            Text(f">{wait.over_s:g} s" if wait.passed else "", style),
            Text(short(wait.customer)),
            Text(f"{wait.shop}/{where}" if several else where),
            str(wait.messages),
            Text("=" * length, style.split(" on ")[0].replace("white", "red") or "dim"),
        )
    if hidden > 0:
        blank = [Text() for _ in range(7)]
        blank[3] = Text(say("more", lang, n=hidden + 1), "dim")
        table.add_row(*blank)
        return table
    return _filled(table, len(shown), rows - 1, say("nobody", lang), 6)


def _agents(agents: Sequence[AgentLine], rows: int, lang: str, several: bool) -> RenderableType:
    table = _table()
    table.add_column(say("agent", lang), ratio=1, no_wrap=True, overflow="crop")
    table.add_column("", width=7, no_wrap=True)
    table.add_column(say("open", lang), width=4, no_wrap=True, justify="right")
    table.add_column(say("oldest", lang), width=7, no_wrap=True, justify="right")
    table.add_column(say("within", lang), width=13, no_wrap=True, justify="right")
    table.add_column(say("mean_col", lang), width=7, no_wrap=True, justify="right")
    table.add_column(say("p90", lang), width=7, no_wrap=True, justify="right")
    table.add_column(say("replied", lang), width=9, no_wrap=True, justify="right")
    shown = agents[: rows - 1]
    for line in shown:
        share = line.share
        bad = "bold red" if line.late else ""
        table.add_row(
            Text(f"{line.shop}/{line.agent}" if several else line.agent, bad),
            Text(say(line.state, lang) if line.state else "", _STATES.get(line.state, "")),
            Text(str(line.open), bad if line.open else "dim"),
            Text(span(line.oldest_ms) if line.open else "", bad),
            "" if share is None else f"{line.within_30}/{line.waits} {share:3.0f}%",
            "" if line.mean_s is None else f"{line.mean_s:.1f} s",
            "" if line.p90_s is None else f"{line.p90_s:.1f} s",
            f"{line.replied}/{line.consulted}" if line.consulted else "",
        )
    return _filled(table, len(shown), rows - 1, "", 0)
