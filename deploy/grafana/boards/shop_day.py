"""Shop day: how does the day of one shop go, and since when?

The head is exact and corrected (the `day_*` gauges are what a replay of today would say); the curves are first
conclusions by rate, so that they can be cut into any window.
"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.boards import panels
from deploy.grafana.boards.panels import Column, figure, heat, lines, ranking

SHOP = '{shop="$shop"}'


def board() -> Dashboard:
    """The dashboard."""
    return (
        panels.board("shop-day", "Shop day", "How does the day of one shop go?", refresh="30s", since="now/d")
        .with_variable(panels.shop_choice())
        .with_panel(figure("Consulted", f"csstream_day_consulted{SHOP}", "Customers who wrote today."))
        .with_panel(
            figure(
                "Replied",
                f'csstream_day_replied{{shop="$shop", kind="any"}} / on (shop) csstream_day_consulted{SHOP}',
                "Of these, customers who got at least one reply.",
                unit="percentunit", decimals=1, steps=((None, panels.BAD), (0.9, panels.SOON), (0.97, panels.GOOD)),
            )
        )
        .with_panel(
            figure(
                "Replied, strict",
                f'csstream_day_replied{{shop="$shop", kind="strict"}} / on (shop) csstream_day_consulted{SHOP}',
                "Of these, customers with no question left open, as if the day ended now.",
                unit="percentunit", decimals=1,
            )
        )
        .with_panel(
            figure(
                "Within 30 s", f"csstream_day_waits_within_30{SHOP} / csstream_day_waits{SHOP}",
                "Of today's questions, those answered within 30 s.",
                unit="percentunit", decimals=1, steps=panels.SHARE,
            )
        )
        .with_panel(
            figure(
                "Mean response", f"csstream_day_response_mean_seconds{SHOP}", "Of today, after long_wait.",
                unit="s", decimals=1, steps=panels.WAIT_S,
            )
        )
        .with_panel(
            figure("p90", f"csstream_day_response_p90_seconds{SHOP}", "Of today, exact.", unit="s", decimals=1)
        )
        .with_panel(
            lines(
                "Response time",
                {
                    "p50": f"csstream:response_seconds:p50_5m{SHOP}",
                    "p90": f"csstream:response_seconds:p90_5m{SHOP}",
                    "mean": f"csstream:response_seconds:mean_5m{SHOP}",
                },
                "Of five minutes each; the percentiles are read off buckets.", unit="s", steps=panels.WAIT_S,
            )
        )
        .with_panel(
            heat(
                "Responses by length",
                f"sum by (le) (increase(csstream_response_seconds_bucket{SHOP}[$__rate_interval]))",
                "Every response in its bucket: a second hump is a second problem.",
            )
        )
        .with_panel(
            lines(
                "Questions, a minute",
                {
                    "begun": f"60 * sum(rate(csstream_waits_started_total{SHOP}[$__rate_interval]))",
                    "{{outcome}}": f"60 * sum by (outcome) (rate(csstream_waits_ended_total{SHOP}[$__rate_interval]))",
                },
                "Begun, and ended by outcome.",
            )
        )
        .with_panel(
            lines(
                "Questions that pass a level, a minute",
                {"over {{level}} s": f"60 * sum by (level) (rate(csstream_breaches_total{SHOP}[$__rate_interval]))"},
                "By the levels of the policy.",
            )
        )
        .with_panel(
            lines(
                "Share within 30 s",
                {"of 5 min": f"csstream:waits_within_30:ratio_5m{SHOP}", "of 1 h": f"csstream:waits_within_30:ratio_1h{SHOP}"},
                "Of the questions begun in the window, those that did not pass 30 s.", unit="percentunit",
            )
        )
        .with_panel(
            lines(
                "First response, p90",
                {
                    "{{kind}}": f"histogram_quantile(0.9, sum by (kind, le) "
                    f"(rate(csstream_first_response_seconds_bucket{SHOP}[$__rate_interval])))"
                },
                "By a person, or by anyone.", unit="s", steps=panels.WAIT_S,
            )
        )
        .with_panel(
            lines(
                "Messages, a minute",
                {"{{kind}}": f"60 * sum by (kind) (rate(csstream_messages_total{SHOP}[$__rate_interval]))"},
                "By sender.", stacked=True, width=8,
            )
        )
        .with_panel(
            lines(
                "Alerts, an hour",
                {"{{rule}}": '3600 * sum by (rule) (rate(csstream_alerts_total{shop="$shop", state="firing"}[$__rate_interval]))'},
                "Raised, by rule.", width=8,
            )
        )
        .with_panel(
            lines(
                "Agents by presence", {"{{state}}": f"sum by (state) (csstream_agents{SHOP})"},
                "As they last said.", stacked=True, width=8,
            )
        )
        .with_panel(
            ranking(
                "Agents today", ("agent",),
                (
                    Column("customers", f"csstream_agent_day_consulted{SHOP}"),
                    Column("questions", f"csstream_agent_day_waits{SHOP}"),
                    Column("within 30 s", f"csstream:agent_day_within_30:ratio{SHOP}", "percentunit", 1),
                    Column("mean", f"csstream_agent_day_response_mean_seconds{SHOP}", "s", 1),
                    Column("p90", f"csstream_agent_day_response_p90_seconds{SHOP}", "s", 1),
                    Column("oldest now", f"csstream_oldest_wait_seconds{SHOP}", "s"),
                ),
                "By the agent clock: from the moment the customer is with them.",
                worst="p90", link=("agent", "/d/csstream-agent?var-shop=$shop&var-agent=${__value.raw}"),
            )
        )
    )  # fmt: skip
