"""The proofs of the core are proofs: each deliberate mistake in its rules is noticed by one of them."""

from pathlib import Path

import pytest

from tests.mutants import (
    MUTANTS,
    ROOT,
    Ground,
    Mutant,
    MutantError,
    judged,
    mutated,
    prepared,
    problems,
    sample,
    survivors,
)

HARMLESS = Mutant("harmless", "core/scoreboard.py", "WITHIN_MS: Final = 30_000", "WITHIN_MS = 30 * 1000")
TORN = Mutant("torn", "core/scoreboard.py", "WITHIN_MS: Final = 30_000", "WITHIN_MS = (")


SHARES = 8
"""Processes that share the tests take them one by one, so this is how even the work of minutes can be shared."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """What every verdict stands on."""
    return prepared(tmp_path_factory.mktemp("mutants"))


@pytest.mark.parametrize("share", range(SHARES))
def test_every_broken_rule_is_noticed(ground: Ground, share: int) -> None:
    mutants = MUTANTS[share::SHARES]
    assert survivors(mutants, judged(mutants, ground)) == []


def test_only_a_broken_rule_is_noticed(ground: Ground) -> None:
    # what changes no rule survives, and what cannot be loaded proves nothing: else all could be caught by a fault
    # of the judge
    harmless, torn = survivors((HARMLESS, TORN), judged((HARMLESS, TORN), ground))
    assert harmless == "harmless: nothing"
    assert "SyntaxError" in torn


@pytest.mark.parametrize("text", ["nothing of the kind", "twice and twice"])
def test_a_mutant_whose_text_is_not_there_once_is_an_error(text: str) -> None:
    with pytest.raises(MutantError, match=r"times in core/x\.py; write the text as it is there now"):
        mutated(text, Mutant("m", "core/x.py", "twice", "once"))


def test_the_table_fits_the_code() -> None:
    assert problems(MUTANTS, ROOT / "csstream") == []
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names) > 100


def test_all_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one", "utf-8")
    unmade = [Mutant(name, "a.py", name, "") for name in ("two", "one", "three")]
    assert [line[:7] for line in problems(unmade, tmp_path)] == ["'two': ", "'three'"]


def test_the_sample_is_the_same_each_time_and_shows_every_outcome() -> None:
    cases = sample(number=120)
    assert sample(number=120) == cases
    outcomes = {wait["outcome"] for _, _, expected in cases for wait in expected["waits"].values()}
    assert outcomes == {"answered", "abandoned", "expired", "bot", "moot", "void", "open"}
    assert any(expected["duplicates"] for *_, expected in cases)
    assert any(expected["conflicts"] for *_, expected in cases)
