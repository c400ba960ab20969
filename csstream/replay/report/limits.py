"""How much of a long list the page shows: a year of two hundred agents must still open at once.

What is left out is said under the list, with the file that has all of it.
"""

LONGEST = 50
"""Waits listed one by one."""

SHOPS_DRAWN = 12
SHOPS_LISTED = 100
AGENTS_LISTED = 100
DAYS_LISTED = 31
DAYS_DRAWN = 731
EVIDENCE_LISTED = 12
NOTES_LISTED = 50
