"""The proofs of the core are proofs: each deliberate mistake in its rules is noticed by one of them."""

from pathlib import Path

import pytest

from tests.mutants import MUTANTS, ROOT, Mutant, MutantError, judge_all, mutated, problems, sample, survivors

HARMLESS = Mutant("harmless", "core/scoreboard.py", "WITHIN_MS: Final = 30_000", "WITHIN_MS = 30 * 1000")
TORN = Mutant("torn", "core/scoreboard.py", "WITHIN_MS: Final = 30_000", "WITHIN_MS = (")


def test_every_broken_rule_is_noticed_and_only_that() -> None:
    # what changes no rule survives, and what cannot be loaded proves nothing: else all could be caught by a fault
    # of the judge
    judged = (*MUTANTS, HARMLESS, TORN)
    *alive, harmless, torn = survivors(judged, judge_all(judged))
    assert alive == []
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
