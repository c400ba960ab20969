"""Logs as files, and what a replay made of them, in the shape of the oracle."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from csstream.policy import Policy, load
from csstream.replay import Job, Summary, run
from tests.laws import order_oracle
from tests.laws.oracle import Audit
from tests.laws.views import ALERT_FIELDS, CONSULT_FIELDS, WAIT_FIELDS, ordered, reception_row, told_of

HANDBOOK = load("handbook")
RESULTS = ("facts.jsonl", "alerts.jsonl", "agents.csv", "shops.csv", "dead_letters.jsonl")
COUNTED = (
    *(
        "consulted",
        "replied_any",
        "replied_strict",
        "receptions",
        "receptions_unanswered",
        "waits",
        "within_30",
    ),
    *("responses", "response_sum_ms", "excluded_long", "first_responses", "first_response_sum_ms"),
    *("first_excluded_long", "transferred_unanswered"),
)
AGENT_COUNTED = (*COUNTED, *order_oracle.AGENT_COLUMNS)
SHOP_COUNTED = (*COUNTED, "abandoned", "expired", "void", "bot", *order_oracle.SHOP_COLUMNS)


def written(log: Iterable[Mapping[str, Any]], path: Path) -> Path:
    """A log as a file of JSON lines."""
    path.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in log), encoding="utf-8")
    return path


def replayed(out: Path, *inputs: Path | str, policy: Policy = HANDBOOK, **options: Any) -> Summary:
    """A replay into `out`."""
    policies = options.pop("policies", (policy,))
    return run(Job(tuple(map(str, inputs)), out, policies, **options))


def lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, every cell as it stands."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def results(out: Path, *names: str) -> dict[str, bytes]:
    """The bytes of the result files."""
    return {name: (out / name).read_bytes() for name in names or RESULTS}


def read_back(out: Path) -> Audit:
    """What the files say, as the oracle would say it."""
    found = Audit()
    for fact in lines(out / "facts.jsonl"):
        if fact["kind"] == "wait":
            found.waits[fact["wait"]] = {name: fact[name] for name in WAIT_FIELDS}
        elif fact["kind"] == "reception":
            start = fact["session"].removeprefix(f"{fact['shop']}|{fact['customer']}|")
            found.receptions.append(reception_row(fact | {"session": f"||{start}"}))
        elif fact["kind"] == "consult":
            found.consults.append({name: fact[name] for name in CONSULT_FIELDS})
        elif fact["kind"] == "order":
            found.orders[fact["fact"]] = told_of(fact)
        elif fact["kind"] == "reminder":
            found.reminders[fact["fact"]] = told_of(fact)
    found.alerts = [{name: a[name] for name in ALERT_FIELDS} for a in lines(out / "alerts.jsonl")]
    counts = json.loads((out / "manifest.json").read_text())["counts"]
    found.duplicates, found.conflicts = counts["duplicates"], counts["conflicts"]
    return ordered(found)


def expected_cells(row: Mapping[str, Any], counted: Sequence[str]) -> dict[str, str]:
    """The cells that a row of the oracle must have; percentiles by the definition, in exact fractions."""
    cells = {name: str(row[name]) for name in counted}
    samples = sorted(row["responses_ms"])
    cells["response_mean_s"] = seconds(mean(row["response_sum_ms"], row["responses"]))
    for percent in (50, 90, 95):
        cells[f"response_p{percent}_s"] = seconds(percentile(samples, percent))
    cells["response_max_s"] = seconds(Fraction(samples[-1]) if samples else None)
    cells["first_response_mean_s"] = seconds(mean(row["first_response_sum_ms"], row["first_responses"]))
    return cells


def mean(total: int, number: int) -> Fraction | None:
    """No mean without a sample."""
    return Fraction(total, number) if number else None


def percentile(samples: Sequence[int], percent: int) -> Fraction | None:
    """Linear interpolation between the two nearest."""
    if not samples:
        return None
    place = Fraction((len(samples) - 1) * percent, 100)
    low = int(place)
    high = min(low + 1, len(samples) - 1)
    return samples[low] + (samples[high] - samples[low]) * (place - low)


def seconds(ms: Fraction | None) -> str:
    """The nearest float, as it is written."""
    return "" if ms is None else repr(float(ms / 1000))
