"""Agent: what is on the desk of one person, and how does it compare with the others?

All figures go by the agent clock: from the moment the customer is with this person, not from when somebody else
let him wait.
"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.boards import panels
from deploy.grafana.boards.panels import figure, lines

ONE = '{shop="$shop", agent="$agent"}'
SHOP = '{shop="$shop"}'


def _p90(labels: str) -> str:
    return (
        "histogram_quantile(0.9, sum by (le) "
        f"(rate(csstream_agent_response_seconds_bucket{labels}[$__rate_interval])))"
    )


def board() -> Dashboard:
    """The dashboard."""
    return (
        panels.board("agent", "Agent", "What is on the desk of one person?", refresh="10s", since="now-6h")
        .with_variable(panels.shop_choice())
        .with_variable(panels.agent_choice())
        .with_panel(
            figure(
                "Oldest wait now", f"csstream_oldest_wait_seconds{ONE}", "Customer clock.",
                unit="s", steps=panels.WAIT_S,
            )
        )
        .with_panel(figure("Waiting now", f"csstream_open_waits{ONE}", "Open questions with this agent."))
        .with_panel(
            figure("Customers at once", f"csstream_concurrent_customers{ONE}", "In a live reception or waiting.")
        )
        .with_panel(
            figure(
                "Within 30 s today", f"csstream:agent_day_within_30:ratio{ONE}",
                "Of today's questions that were with this agent.",
                unit="percentunit", decimals=1, steps=panels.SHARE,
            )
        )
        .with_panel(
            figure(
                "Mean today", f"csstream_agent_day_response_mean_seconds{ONE}", "After long_wait.",
                unit="s", decimals=1, steps=panels.WAIT_S,
            )
        )
        .with_panel(
            figure("p90 today", f"csstream_agent_day_response_p90_seconds{ONE}", "Exact.", unit="s", decimals=1)
        )
        .with_panel(
            figure("Customers today", f"csstream_agent_day_consulted{ONE}", "Who consulted this agent.", width=8)
        )
        .with_panel(
            figure(
                "Replied today",
                f'csstream_agent_day_replied{{shop="$shop", agent="$agent", kind="any"}}'
                f" / on (shop, agent) csstream_agent_day_consulted{ONE}",
                "Of these, customers who got at least one reply.", unit="percentunit", decimals=1, width=8,
            )
        )
        .with_panel(
            figure(
                "Handed on unanswered, 24 h",
                'sum(increase(csstream_agent_legs_ended_total'
                '{shop="$shop", agent="$agent", outcome="transferred_unanswered"}[24h])) or vector(0)',
                "Questions that went to somebody else without a reply.", steps=panels.NONE_IS_GOOD, width=8,
            )
        )
        .with_panel(
            lines(
                "On the desk",
                {
                    "waiting": f"csstream_open_waits{ONE}",
                    "over 30 s": 'csstream_waits_over{shop="$shop", agent="$agent", level="30"}',
                    "customers": f"csstream_concurrent_customers{ONE}",
                },
                "Now and before.",
            )
        )
        .with_panel(
            lines(
                "p90 of responses, and the shop's",
                {"$agent": _p90(ONE), "all agents": _p90(SHOP)},
                "Both by the agent clock.", unit="s", steps=panels.WAIT_S,
            )
        )
        .with_panel(
            lines(
                "First response, p90",
                {
                    "$agent": "histogram_quantile(0.9, sum by (le) "
                    f"(rate(csstream_agent_first_response_seconds_bucket{ONE}[$__rate_interval])))"
                },
                "To customers who are new in a reception.", unit="s", width=8,
            )
        )
        .with_panel(
            lines(
                "How questions end, an hour",
                {"{{outcome}}": f"3600 * sum by (outcome) (rate(csstream_agent_legs_ended_total{ONE}[$__rate_interval]))"},
                "transferred_unanswered: handed on without an answer.", stacked=True, width=8,
            )
        )
        .with_panel(
            lines(
                "Questions that pass a level, an hour",
                {"over {{level}} s": f"3600 * sum by (level) (rate(csstream_breaches_total{ONE}[$__rate_interval]))"},
                "While this agent held them.", width=8,
            )
        )
    )  # fmt: skip
