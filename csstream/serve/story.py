"""A demo told in lines: for pipes, logs and CI, where nobody looks at a screen, and as the summary at the end."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from csstream.serve.screen import MARKS
from csstream.serve.view import AgentLine, AlertLine, View
from csstream.serve.words import alert_text, span


def figures_line(view: View, clock: str, events: int, rate: float) -> Text:
    """One line of figures."""
    total = view.total
    oldest = span(total.oldest_ms) if view.waits else "-"
    return Text(
        f"{clock}  waiting {total.open}  over 30 s {total.late}  longest {oldest}  {_figures(total)}  "
        f"events {events} ({rate:.0f}/s)"
    )


def _figures(line: AgentLine) -> str:
    share = "-" if line.share is None else f"{line.within_30}/{line.waits} ({line.share:.1f} %)"
    mean = "-" if line.mean_s is None else f"{line.mean_s:.1f} s"
    p90 = "-" if line.p90_s is None else f"{line.p90_s:.1f} s"
    return f"within 30 s {share}  mean {mean}  p90 {p90}"


def alert_line(line: AlertLine, clock: str, language: str) -> Text:
    """One alert as one line."""
    alert = line.alert
    mark = MARKS[alert.severity] if alert.state == "firing" else ""
    return Text(f"{clock}  {alert.state:<9} {mark:<3} {alert_text(alert, language)}")


def summary(
    view: View,
    events: int,
    dead: Mapping[str, int],
    examples: Sequence[str],
    seconds: float,
    *,
    several_days: bool = False,
) -> RenderableType:
    """What a run comes to: the figures of the local day it ended on, and counts of the whole run."""
    total = view.total
    parts: list[RenderableType] = [
        Text(
            f"\n{view.day or 'no event'}: {events} events in {seconds:.1f} s; {total.waits} waits, "
            f"{total.open} open; {view.fired} alerts, {view.standing} stand"
        )
    ]
    if several_days:
        parts.append(Text("The figures are those of the last day; `csstream replay` counts every day."))
    if view.agents:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        table.add_column("agent")
        for name in ("waits", "within 30 s", "mean", "p90", "replied"):
            table.add_column(name, justify="right", no_wrap=True)
        several = len(view.shops) > 1
        seen = (line for line in view.agents if line.waits or line.consulted)
        ranked = sorted(seen, key=lambda line: (line.shop, line.agent))
        for line in (*ranked, *view.totals):
            share = "" if line.share is None else f"{line.within_30}/{line.waits} {line.share:5.1f} %"
            name = line.agent or "the shop"
            table.add_row(
                Text(f"{line.shop}/{name}" if several else name),
                str(line.waits),
                share,
                "" if line.mean_s is None else f"{line.mean_s:.1f} s",
                "" if line.p90_s is None else f"{line.p90_s:.1f} s",
                f"{line.replied}/{line.consulted}",
                style="" if line.agent else "bold",
            )
        parts.append(table)
    if dead:
        reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(dead.items()))
        parts.append(Text(f"Dead letters: {reasons}"))
        parts += [Text(f"  {example}") for example in examples]
    return Group(*parts)
