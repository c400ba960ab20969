"""A published log: the figures that others computed come out of ours."""

import csv
import json
import os
from pathlib import Path

import pytest

from csstream.logs import convert, shipped
from csstream.policy import with_settings
from tests.replay.files import HANDBOOK, lines, replayed

ROOT = Path(__file__).parents[2]
PAIRS = Path(os.environ.get("CSSTREAM_TEST_DATA", ROOT.parent / "shared" / "data")) / "twcs_pairs"
ENDLESS = with_settings(HANDBOOK, ["long_wait=none", "wait_ttl=none", "timezone=UTC"])

pytestmark = pytest.mark.skipif(
    not PAIRS.is_dir(), reason=f"the published pairs are not at {PAIRS}; set CSSTREAM_TEST_DATA"
)


def imported(name: str, path: Path) -> Path:
    """The published pairs as events, by one of the shipped formats."""
    with path.open("wb") as out:
        convert([PAIRS / "response_pairs_sample.csv"], shipped(name), out)
    return path


def test_each_account_has_the_published_number_mean_median_and_p90(tmp_path: Path) -> None:
    log = imported("twcs-pairs", tmp_path / "log")
    summary = replayed(tmp_path / "out", log, policy=ENDLESS, workers=2)
    (shops,) = summary.shops
    found = {row["shop"]: row for row in shops}
    with (PAIRS / "published_response_time_by_author.csv").open(encoding="utf-8", newline="") as file:
        published = list(csv.DictReader(file))
    assert len(published) == len(found) == 105
    for row in published:
        name, number, median, mean, p90 = list(row.values())[:5]
        ours = found[name]
        assert ours["responses"] == int(float(number))
        for column, text in (("mean", mean), ("p50", median), ("p90", p90)):
            assert ours[f"response_{column}_s"] == pytest.approx(float(text), abs=0.06), (name, column)


def test_natural_turns_have_the_known_number_and_mean(tmp_path: Path) -> None:
    log = imported("twcs", tmp_path / "log")
    replayed(tmp_path / "out", log, policy=ENDLESS)
    answered = [
        f["ms"]
        for f in lines(tmp_path / "out" / "facts.jsonl")
        if f["kind"] == "wait" and f["ms"] is not None
    ]
    assert (len(answered), round(sum(answered) / len(answered) / 1000, 3)) == (41_784, 16157.069)
    counts = json.loads((tmp_path / "out" / "manifest.json").read_text())["counts"]
    assert counts["accepted"] == 86_660
