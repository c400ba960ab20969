"""The wall: who waits too long right now? For a screen in the room, in kiosk mode.

Nine tiles on one screen, nothing to click and nothing to scroll: the longest wait and the customers over 30 s first,
then how the day goes, then who needs help, worst first. The last tile of the head says how old all of it is, so that
a picture that stands still is seen as such.
"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.boards import panels
from deploy.grafana.boards.panels import Column, bars, figure, lines, ranking


def board() -> Dashboard:
    """The dashboard."""
    return (
        panels.board(
            "wall", "Wall", "Who waits too long right now? All shops together.", refresh="5s", since="now-30m"
        )
        .with_panel(
            figure(
                "Longest wait", "max(csstream_oldest_wait_seconds)",
                "Age of the oldest open question, customer clock.",
                unit="s", steps=panels.WAIT_S, width=8, height=8, hero=True,
            )
        )
        .with_panel(
            figure(
                "Waiting over 30 s", 'sum(csstream_waits_over{level="30"})',
                "Customers whose open question is over 30 s old.",
                steps=((None, panels.GOOD), (1, panels.SOON), (5, panels.BAD)), width=8, height=8, hero=True,
            )
        )
        .with_panel(
            figure("Waiting", "sum(csstream_open_waits)", "Open questions, with whomever.", width=4, height=8, hero=True)
        )
        .with_panel(
            figure(
                "Age of all this", "time() - min(csstream_clock_timestamp_seconds)",
                "How far the slowest part of the picture is behind the wall clock.",
                unit="s", steps=((None, panels.GOOD), (10, panels.SOON), (60, panels.BAD)), width=4, height=8, hero=True,
            )
        )
        .with_panel(
            figure(
                "Within 30 s today", "sum(csstream_day_waits_within_30) / sum(csstream_day_waits)",
                "Of today's questions, those answered within 30 s.",
                unit="percentunit", decimals=1, steps=panels.SHARE, width=6, height=5,
            )
        )
        .with_panel(
            figure(
                "p90 of 5 min", "max(csstream:response_seconds:p90_5m)",
                "Nine of ten responses of the last five minutes came within this.",
                unit="s", steps=panels.WAIT_S, width=6, height=5,
            )
        )
        .with_panel(
            bars(
                "Alerts that stand", "sum by (rule) (csstream_alerts_firing) > 0", "{{rule}}",
                "By rule, all shops.", width=12, height=5,
            )
        )
        .with_panel(
            ranking(
                "Agents, worst first", ("agent", "shop"),
                (
                    Column("oldest wait", "max by (shop, agent) (csstream_oldest_wait_seconds)", "s"),
                    Column("state", "max by (shop, agent) (csstream_oldest_wait_seconds)", words=True),
                    Column("waiting", "sum by (shop, agent) (csstream_open_waits)"),
                    Column("over 30 s", 'sum by (shop, agent) (csstream_waits_over{level="30"})'),
                    Column(
                        "within 30 s today",
                        "csstream:agent_day_within_30:ratio",
                        "percentunit", 0,
                    ),
                ),
                'Agent "" is the queue: nobody has taken the customer yet.', worst="oldest wait", width=12, height=13,
            )
        )
        .with_panel(
            lines(
                "Waiting over 30 s, the last half hour",
                {"over 30 s": 'sum(csstream_waits_over{level="30"})', "waiting": "sum(csstream_open_waits)"},
                "Whether it gets better or worse.", width=12, height=13,
            )
        )
    )  # fmt: skip
