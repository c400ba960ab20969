"""Orders: what is not paid yet, who was reminded, and what the chat brought in?"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.boards import panels
from deploy.grafana.boards.panels import Column, bars, figure, lines, ranking

SHOP = '{shop="$shop"}'


def board() -> Dashboard:
    """The dashboard."""
    return (
        panels.board(
            "orders", "Orders", "What is not paid yet, and what did the chat bring in?", refresh="30s", since="now-24h"
        )
        .with_variable(panels.shop_choice())
        .with_panel(
            figure("Unpaid", f"sum(csstream_unpaid_orders{SHOP})", "Orders that wait for their payment.", width=6)
        )
        .with_panel(
            figure(
                "Inquiry conversion today",
                f"csstream_day_inquirers_ordered{SHOP} / csstream_day_inquirers{SHOP}",
                "Of today's inquirers, those who ordered today.", unit="percentunit", decimals=1, width=6,
            )
        )
        .with_panel(
            figure(
                "Payment conversion today", f"csstream_day_payers{SHOP} / csstream_day_orderers{SHOP}",
                "Of today's orderers, those who paid today.", unit="percentunit", decimals=1, width=6,
            )
        )
        .with_panel(
            figure(
                "Reminders missed, 24 h",
                'sum(increase(csstream_reminders_total{shop="$shop", state="missed"}[24h])) or vector(0)',
                "Stages that passed without the reminder.", steps=panels.NONE_IS_GOOD, width=6,
            )
        )
        .with_panel(
            bars(
                "Unpaid by stage", f"sum by (stage) (csstream_unpaid_orders{SHOP})", "{{stage}}",
                "By the last stage passed; new is before the first.",
            )
        )
        .with_panel(
            lines(
                "Orders, an hour",
                {"{{state}}": f"3600 * sum by (state) (rate(csstream_orders_total{SHOP}[$__rate_interval]))"},
                "By the status they reach.", width=8,
            )
        )
        .with_panel(
            lines(
                "Reminders, an hour",
                {"{{state}}": f"3600 * sum by (state) (rate(csstream_reminders_total{SHOP}[$__rate_interval]))"},
                "due, done, missed, moot (paid or closed before).", width=8,
            )
        )
        .with_panel(
            ranking(
                "Turnover of 24 h by agent", ("agent",),
                (
                    Column("turnover", f"sum by (agent) (increase(csstream_turnover_yuan_total{SHOP}[24h]))", "currencyCNY"),
                    Column("refunds", f"sum by (agent) (increase(csstream_refunds_yuan_total{SHOP}[24h]))", "currencyCNY"),
                ),
                'By the owner when it was paid or refunded; agent "" is silent: no agent had a part in it.',
                worst="turnover", width=12,
            )
        )
        .with_panel(
            lines(
                "Turnover, yuan an hour",
                {
                    "paid": f"3600 * sum(rate(csstream_turnover_yuan_total{SHOP}[$__rate_interval]))",
                    "refunded": f"3600 * sum(rate(csstream_refunds_yuan_total{SHOP}[$__rate_interval]))",
                },
                "As first concluded.", unit="currencyCNY", height=10,
            )
        )
    )  # fmt: skip
