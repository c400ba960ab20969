"""The pages that people are sent to: every link leads to a file and, where it names one, a heading that is there."""

import re
from pathlib import Path

import pytest

from tests.deploy.programs import DEPLOY, ROOT
from tests.deploy.test_rules import anchors

PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DEPLOY.glob("*.md"))]


def links(page: Path) -> list[str]:
    """Where the links and pictures of a page lead, those within the project."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL)
    return [to for to in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", to)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_there_are_links_to_follow() -> None:
    assert sum(len(links(page)) for page in PAGES) > 20
