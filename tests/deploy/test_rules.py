"""Recording and alerting rules: by Prometheus' own tools, and each alert with its runbook and its proof."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from csstream.core.metrics import BY_NAME
from tests.deploy.names import AWAITED, recorded, unknown
from tests.deploy.programs import DEPLOY, ROOT, program

PROMETHEUS = DEPLOY / "prometheus"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((PROMETHEUS / "rules/alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
}


def promtool(*words: str | Path, say: bytes = b"") -> str:
    """What promtool says, if it is content."""
    run = subprocess.run([program("promtool"), *map(str, words)], input=say, capture_output=True, timeout=60)
    said = (run.stdout + run.stderr).decode()
    assert run.returncode == 0, said
    return said


def test_the_rules_and_the_configuration_are_valid() -> None:
    promtool("check", "rules", *sorted((PROMETHEUS / "rules").iterdir()))
    said = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert "2 rule files found" in said


def test_each_scenario_raises_the_alerts_that_it_names_and_no_other() -> None:
    said = promtool("test", "rules", *sorted((PROMETHEUS / "tests").iterdir()))
    assert said.count("SUCCESS") == 2


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_seen_to_fire_in_a_scenario(name: str) -> None:
    scenarios = yaml.safe_load((PROMETHEUS / "tests/alerts.yml").read_text("utf-8"))["tests"]
    expected = [
        alert.get("alertname", "")
        for scenario in scenarios
        for alert in scenario.get("alert_rule_test", ())
        if alert["exp_alerts"]
    ] + [
        labels
        for scenario in scenarios
        for query in scenario.get("promql_expr_test", ())
        for labels in re.findall(r'alertname="(\w+)"', str(query["exp_samples"]))
    ]
    assert name in expected


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_it_is_and_where_its_runbook_is(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"page", "ticket", "none"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert all(rule["annotations"].values())
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert anchor == name.lower()
    assert anchor in anchors(ROOT / page)


def anchors(page: Path) -> set[str]:
    """What one can jump to on a page, as Git forges make it of its headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_runbook_has_no_section_for_an_alert_that_is_not() -> None:
    sections = re.findall(r"(?m)^### (\w+)$", (DEPLOY / "RUNBOOK.md").read_text("utf-8"))
    assert sections == list(ALERTS)


@pytest.mark.parametrize("expr", [*(rule["expr"] for rule in ALERTS.values()), *recorded().values()])
def test_a_rule_names_only_metrics_that_are_or_will_be(expr: str) -> None:
    assert unknown(expr) == set()


def test_what_is_awaited_is_not_already_there() -> None:
    assert sorted(AWAITED & set(BY_NAME)) == [], "take them out of AWAITED in tests/deploy/names.py"
