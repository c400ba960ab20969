"""Pipeline health: may the figures be trusted, and what holds them up?

From the symptom to the cause: how old is what is shown, then what is unread, then what the workers do, then who was
told. Every alert of deploy/prometheus has its curve here.
"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.boards import panels
from deploy.grafana.boards.panels import Column, figure, lines, ranking

AGE = ((None, panels.GOOD), (10, panels.SOON), (60, panels.BAD))


def _quantiles(histogram: str, by: str = "", **shares: float) -> dict[str, str]:
    labels = f"{by}, le" if by else "le"
    return {
        name.replace("_", "."): f"histogram_quantile({share}, sum by ({labels}) "
        f"(rate(csstream_{histogram}_bucket[$__rate_interval])))"
        for name, share in shares.items()
    }


def _pace(counter: str, *by: str, per_s: int = 1) -> dict[str, str]:
    """How fast a counter grows, by labels: so many in `per_s` seconds."""
    times = f"{per_s} * " if per_s > 1 else ""
    labels = " ".join(f"{{{{{label}}}}}" for label in by)
    return {labels: f"{times}sum by ({', '.join(by)}) (rate(csstream_{counter}[$__rate_interval]))"}


def board() -> Dashboard:
    """The dashboard."""
    return (
        panels.board(
            "pipeline", "Pipeline health", "May the figures be trusted, and what holds them up?",
            refresh="10s", since="now-1h",
        )
        .with_panel(
            figure(
                "Age of what is shown", "time() - min(csstream_clock_timestamp_seconds)",
                "Of the slowest partition.", unit="s", steps=AGE,
            )
        )
        .with_panel(
            figure("Unread records", "sum(csstream_lag_records)", "Of all partitions.")
        )
        .with_panel(
            figure(
                "Partitions not ready", 'sum(csstream_partitions{state!="ready"})', "Loading or broken.",
                steps=panels.NONE_IS_GOOD,
            )
        )
        .with_panel(
            figure(
                "Oldest not yet sent", "max(csstream_notification_oldest_seconds)", "Of all sinks.",
                unit="s", steps=AGE,
            )
        )
        .with_panel(
            figure(
                "Dead letters, 24 h", "sum(increase(csstream_dead_letters_total[24h])) or vector(0)",
                "Records set aside.", steps=panels.NONE_IS_GOOD,
            )
        )
        .with_panel(
            figure(
                "Processes that answer", 'count(up{job=~"csstream.*"} == 1) or vector(0)',
                "Of those that Prometheus looks for.",
            )
        )
        .with_panel(
            lines(
                "Age of what is shown", {"{{instance}}": "time() - min by (instance) (csstream_clock_timestamp_seconds)"},
                "The wall clock less the time of the slowest partition.", unit="s", steps=AGE,
            )
        )
        .with_panel(
            lines(
                "Newest event read, age", {"{{topic}}": "time() - max by (topic) (csstream_newest_event_timestamp_seconds)"},
                "One feed that falls silent shows here.", unit="s",
            )
        )
        .with_panel(
            lines("Unread records", {"{{topic}}": "sum by (topic) (csstream_lag_records)"}, "By topic.", width=8)
        )
        .with_panel(
            lines(
                "Events, a second",
                _pace("events_total", "topic", "result"),
                "late: behind the clock, corrected. rejected: a dead letter.", width=8,
            )
        )
        .with_panel(
            lines(
                "Dead letters, an hour",
                _pace("dead_letters_total", "reason", per_s=3600),
                "By reason.", width=8,
            )
        )
        .with_panel(
            lines(
                "Step, take to commit", _quantiles("step_seconds", p50=0.5, p99=0.99), "One transaction.", unit="s", width=8
            )
        )
        .with_panel(
            lines(
                "Steps thrown away, an hour",
                _pace("steps_failed_total", "reason", per_s=3600),
                "Each was taken again from the last commit.", width=8,
            )
        )
        .with_panel(
            lines(
                "Last commit, age", {"{{instance}}": "time() - csstream_last_step_timestamp_seconds"},
                "Grows where nothing happens, or nothing can.", unit="s", width=8,
            )
        )
        .with_panel(
            lines("Partitions", {"{{state}}": "sum by (state) (csstream_partitions)"}, "Of all workers.", stacked=True, width=8)
        )
        .with_panel(
            lines("Load of a partition", _quantiles("load_seconds", p50=0.5, p99=0.99), "Assignment to ready.", unit="s", width=8)
        )
        .with_panel(
            lines(
                "Waits of the merge given up, an hour",
                _pace("merge_waived_total", "topic", per_s=3600),
                "A topic that had unread records and none at hand.", width=8,
            )
        )
        .with_panel(
            lines(
                "Late events, how late (p99)",
                {"{{topic}}": _quantiles("late_seconds", "topic", p99=0.99)["p99"]},
                "Behind the clock of their shop.", unit="s", width=8,
            )
        )
        .with_panel(
            lines(
                "Corrections, an hour",
                _pace("corrections_total", "kind", per_s=3600),
                "Facts and alerts published again, or taken back.", width=8,
            )
        )
        .with_panel(
            lines("Rows kept", {"{{kind}}": "sum by (kind) (csstream_rows)"}, "By family.", width=8)
        )
        .with_panel(
            lines(
                "Alert, instant to commit", _quantiles("alert_delay_seconds", p50=0.5, p95=0.95),
                "Where nothing was unread. The promise is a second.", unit="s", width=8,
                steps=((None, "transparent"), (1, panels.BAD)),
            )
        )
        .with_panel(
            lines(
                "Notifications, a minute",
                _pace("notifications_total", "sink", "result", per_s=60),
                "failed: one try.", width=8,
            )
        )
        .with_panel(
            lines(
                "Alert, instant to the sink's answer (p95)",
                {"{{sink}}": _quantiles("notification_delay_seconds", "sink", p95=0.95)["p95"]},
                "notify.settle is part of it.", unit="s", width=8,
            )
        )
        .with_panel(
            lines(
                "HTTP requests, a minute",
                _pace("http_requests_total", "path", "code", per_s=60),
                "Of gateway and wall.", width=8,
            )
        )
        .with_panel(
            lines(
                "Viewers of the wall, agents left out",
                {"viewers": "sum(csstream_wall_viewers)", "agents left out": "sum(csstream_agents_left_out)"},
                "Agents beyond metrics.agents have no series.", width=8,
            )
        )
        .with_panel(
            lines(
                "Memory", {"{{job}} {{instance}}": 'process_resident_memory_bytes{job=~"csstream.*"}'},
                "Resident.", unit="bytes", width=8,
            )
        )
        .with_panel(
            lines(
                "Processor", {"{{job}} {{instance}}": 'rate(process_cpu_seconds_total{job=~"csstream.*"}[$__rate_interval])'},
                "Cores.", width=12,
            )
        )
        .with_panel(
            ranking(
                "What runs", ("job", "instance", "version", "policy"), (Column("up", "csstream_build_info"),),
                "Version and policy of each process; they should be the same.", worst="up", width=12, height=8,
            )
        )
    )  # fmt: skip
