"""A real Prometheus on the configuration that is shipped: only addresses and intervals are a test's own."""

import json
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.deploy.programs import DEPLOY, Running, free_port, get, program

SHIPPED = DEPLOY / "prometheus"


def configured(targets: Mapping[str, Sequence[str]], alertmanager: str | None, folder: Path) -> Path:
    """The shipped configuration with these targets by job, every second; jobs without targets are left out."""
    config = yaml.safe_load((SHIPPED / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(SHIPPED / pattern) for pattern in config["rule_files"]]
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert set(targets) <= set(jobs), f"prometheus.yml has no job {set(targets) - set(jobs)}"
    config["scrape_configs"] = [
        {key: value for key, value in jobs[name].items() if not key.endswith("sd_configs") and key != "static_configs"}
        | {"static_configs": [{"targets": list(addresses)}]}
        for name, addresses in targets.items()
    ]  # fmt: skip
    if alertmanager is None:
        del config["alerting"]
    else:
        config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager]}]}]
    made = folder / "prometheus.yml"
    made.write_text(yaml.safe_dump(config), "utf-8")
    return made


class Query(NamedTuple):
    """A query of a dashboard: which panel asks, what, and whether for a moment or a stretch of time."""

    panel: str
    expr: str
    instant: bool


def queries(board: Any) -> list[Query]:
    """Every query of a dashboard."""
    return [
        Query(panel["title"], target["expr"], bool(target.get("instant")))
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]


class Prometheus(Running):
    """It runs while the block does."""

    def __init__(
        self, folder: Path, targets: Mapping[str, Sequence[str]], alertmanager: str | None = None
    ) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        command = [
            program("prometheus"),
            f"--config.file={configured(targets, alertmanager, folder)}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address={self.address}",
            "--rules.alert.resend-delay=1s",  # the first may come before Alertmanager is found
        ]
        super().__init__("prometheus", command, folder)

    def api(self, path: str, **words: str) -> Any:
        """What the API says; None while it does not answer."""
        said = get(f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(words)}")
        return None if said is None else json.loads(said)["data"]

    def ask(self, expr: str, *, instant: bool = True) -> list[Any]:
        """The series that an expression gives now, or over the last half minute."""
        if instant:
            return list((self.api("query", query=expr) or {}).get("result", ()))
        now = float(self.ask("time()")[1])
        said = self.api("query_range", query=expr, start=str(now - 30), end=str(now), step="1")
        return list((said or {}).get("result", ()))

    def valid(self, expr: str) -> bool:
        """Whether Prometheus understands an expression."""
        return self.api("format_query", query=expr) is not None

    def healthy(self) -> set[str]:
        """The jobs of which every target answers."""
        targets = (self.api("targets", state="active") or {}).get("activeTargets", ())
        down = {target["labels"]["job"] for target in targets if target["health"] != "up"}
        return {target["labels"]["job"] for target in targets} - down

    def choose(self, board: Any) -> dict[str, str]:
        """Values for the variables of a dashboard, asked for as Grafana does: where most goes on."""
        chosen: dict[str, str] = {}
        for variable in board.get("templating", {}).get("list", ()):
            asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            assert asked is not None, variable["query"]
            found = {
                row["metric"][asked[2]]: float(row["value"][1]) for row in self.ask(fill(asked[1], chosen))
            }
            found.pop("", None)
            assert found, f"there is no {variable['name']} to choose"
            chosen[variable["name"]] = max(found, key=found.__getitem__)
        return chosen


def fill(expr: str, chosen: Mapping[str, str]) -> str:
    """An expression with the variables of its dashboard and Grafana's own filled in."""
    for name, value in {**chosen, "__rate_interval": "15s"}.items():
        expr = expr.replace(f"${name}", value)
    return expr
