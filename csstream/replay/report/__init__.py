"""The report of a replay: one HTML file for people who have to decide or to check (SPEC 10).

It is read where nothing else is at hand (an auditor's laptop, a printout, years later), so all of it is inside:
style, charts, and the one script, which only sorts tables.

It shows what the CSV files hold, in both languages, the whole first and then the parts: `page` puts the sections
together, each of which is a module of its own. Long tables are cut (`limits`), and say what was left out.
"""

from csstream.replay.report.agents import FEW_WAITS, TREND_POINTS
from csstream.replay.report.input import BOUNDS_S, ReportInput
from csstream.replay.report.limits import (
    AGENTS_LISTED,
    DAYS_DRAWN,
    DAYS_LISTED,
    EVIDENCE_LISTED,
    LONGEST,
    NOTES_LISTED,
    SHOPS_DRAWN,
    SHOPS_LISTED,
)
from csstream.replay.report.longest import CRITICAL_MS
from csstream.replay.report.page import render

__all__ = [
    "AGENTS_LISTED",
    "BOUNDS_S",
    "CRITICAL_MS",
    "DAYS_DRAWN",
    "DAYS_LISTED",
    "EVIDENCE_LISTED",
    "FEW_WAITS",
    "LONGEST",
    "NOTES_LISTED",
    "SHOPS_DRAWN",
    "SHOPS_LISTED",
    "TREND_POINTS",
    "ReportInput",
    "render",
]
