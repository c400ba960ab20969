"""The page itself: its head, what it allows itself, and its sections in order.

Style and script lie beside this module and go into the page; the content policy in its head allows them by their
hashes and nothing else, so a log that brings its own markup gets nowhere even if escaping failed.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from csstream.replay.figures import count
from csstream.replay.markup import Html, both, ident, join, tag
from csstream.replay.report import agents, alerts, glance, longest, orders, reading, rejected, shops, sources
from csstream.replay.report.input import ReportInput


def render(report: ReportInput) -> str:
    """The whole file as text, to be written as UTF-8. The same input gives the same text."""
    style, script = _asset("report.css"), _asset("report.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    sections = list(_sections(report))
    links = (
        tag("a", section.zh, " ", tag("span", section.en, class_="en", lang="en"), href=f"#{section.name}")
        for section in sections
    )
    head = join(
        (
            Html('<meta charset="utf-8">\n'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">\n'),
            Html('<meta name="referrer" content="no-referrer">\n'),
            tag("title", f"客服响应审计 · csstream · {report.policy_tag}"),
            Html(f"\n<style>{style}</style>\n"),
        )
    )
    body = join(
        (
            _header(report),
            tag("nav", *links),
            *(
                tag(
                    "section",
                    Html("\n"),
                    tag("h2", both(section.zh, section.en)),
                    section.body,
                    id=section.name,
                )
                for section in sections
            ),
            Html(f"\n<script>{script}</script>"),
        )
    )
    return f'<!DOCTYPE html>\n<html lang="zh-CN">\n<head>\n{head}</head>\n<body>\n{body}\n</body>\n</html>\n'


@cache
def _asset(name: str) -> Html:
    return Html((files("csstream.replay.report") / name).read_text("utf-8"))


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


@dataclass(frozen=True)
class _Section:
    name: str
    zh: str
    en: str
    body: Html


def _sections(report: ReportInput) -> Iterable[_Section]:
    yield _Section("glance", "总览", "At a glance", glance.body(report))
    yield _Section("shops", "店铺", "Shops", shops.body(report))
    yield _Section("agents", "客服", "Agents, worst first", agents.body(report))
    if orders.any_orders(report):
        yield _Section("orders", "订单与转化", "Orders and conversion", orders.body(report))
    yield _Section("longest", "最长等待", "The longest waits", longest.body(report))
    if report.alerts:
        yield _Section("alerts", "告警", "Alerts", alerts.body(report))
    yield _Section("rejected", "拒收的行", "Dead letters", rejected.body(report))
    yield _Section("sources", "依据", "Sources and policy", sources.body(report))
    yield _Section("reading", "如何阅读", "How to read this", reading.body(report))


def _header(report: ReportInput) -> Html:
    days = sorted({str(row["day"]) for row in report.shops})
    shown = f"{days[0]} – {days[-1]}" if len(days) > 1 else "".join(days) or "–"
    return tag(
        "header",
        tag("h1", both("客服响应审计报告", "Customer service response audit")),
        tag(
            "div",
            tag("span", both("日期", "days"), " ", tag("b", shown)),
            tag("span", both("店铺", "shops"), " ", tag("b", count(len(report.shop_totals)))),
            tag("span", both("时区", "time zone"), " ", tag("b", report.timezone)),
            tag("span", both("规则", "policy"), " ", tag("b", ident(report.policy_tag))),
            tag("span", "csstream ", tag("b", report.version)),
            class_="meta",
        ),
    )
