"""Runs the proofs of the core against broken copies of csstream, and says of each what noticed it.

Started by `tests/mutants.py` as `judge.py CASES COPY...`; prints one line for each copy. What costs time to load is
loaded once; each copy then is judged in a fork of its own, which alone imports csstream. The expected results come
ready from the oracle, as plain data, so a broken copy has no say in them.
"""

import os
import pickle
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

# Not used here by name, but by what is judged: each fork finds them loaded.
PRELOADED = ("decimal", "difflib", "fractions", "hypothesis", "msgspec", "tomllib", "unicodedata", "zoneinfo")

PROOFS = tuple(
    str(Path(__file__).with_name(f"test_{name}.py"))
    for name in (
        *("calendar", "canon", "courtesy", "rules", "scoreboard", "transitions", "vectors"),
        *("order_vectors", "order_accounts"),
    )
)
"""The tests of what a copy holds, the core alone; the quick ones first."""

SECONDS = 60
"""A copy that takes longer has run into an endless loop."""

Case = tuple[list[dict[str, Any]], tuple[str, tuple[str, ...]], dict[str, Any]]


class FirstFailure:
    """Remembers which test failed first."""

    def __init__(self) -> None:
        self.name: str | None = None

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Called by pytest after each phase of each test."""
        if report.failed and self.name is None:
            self.name = report.nodeid.rpartition("/")[2]

    def pytest_collectreport(self, report: Any) -> None:
        """Called by pytest for each module, also where it cannot be imported."""
        if report.failed and self.name is None:
            self.name = f"collecting {report.nodeid}"


def by_cases(cases: Sequence[Case]) -> str | None:
    """The first log for which the program's audit is not the oracle's, and in what."""
    policies = import_module("csstream.policy")
    program = import_module("tests.laws.views").program
    chosen: dict[tuple[str, tuple[str, ...]], Any] = {}
    for number, (log, (profile, settings), expected) in enumerate(cases):
        if (profile, settings) not in chosen:
            chosen[profile, settings] = policies.with_settings(policies.load(profile), settings)
        try:
            found = program(log, chosen[profile, settings])
        except Exception as error:  # noqa: BLE001 - a mutant may break anything; that it raises is the finding
            return f"random log {number} under {profile} {' '.join(settings)}: {type(error).__name__}"
        for name, value in expected.items():
            if getattr(found, name) != value:
                return f"random log {number} under {profile} {' '.join(settings)}: {name}"
    return None


def by_tests() -> str | None:
    """The first of PROOFS that fails."""
    first = FirstFailure()
    quiet = ["-x", "-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:faulthandler"]
    plain = [
        "-c",
        os.devnull,
        "--rootdir",
        str(Path(__file__).parent.parent.parent),
        "--import-mode=importlib",
        "--assert=plain",
        "--noconftest",
    ]
    code = import_module("pytest").main([*quiet, *plain, *PROOFS], plugins=[first])
    return first.name or (f"pytest, exit status {int(code)}" if int(code) else None)


def verdict(copy: str, cases: Sequence[Case]) -> str:
    """What notices the copy, `nothing` if it passes all."""
    sys.path.insert(0, copy)
    try:
        loaded = import_module("csstream.core.audit").__file__ or ""
        import_module("tests.laws.views")
    except Exception as error:  # noqa: BLE001 - whatever the reason, no mutant was judged
        return f"BROKEN: {type(error).__name__}: {error}"
    if not loaded.startswith(copy):
        return f"BROKEN: csstream comes from {loaded}, not from {copy}"
    return by_cases(cases) or by_tests() or "nothing"


def judged(copy: str, cases: Sequence[Case]) -> str:
    """The verdict, from a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(SECONDS)
        os.write(writing, verdict(copy, cases).replace("\n", " ").encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said or f"an end without a word, or none within {SECONDS} s"


def main(cases_file: str, *copies: str) -> None:
    """Judge the copies, one after the other."""
    for name in (*PRELOADED, "pytest", "_pytest.assertion.rewrite"):
        import_module(name)
    assert "csstream" not in sys.modules, "loaded too early: every fork would judge the tree itself"
    cases = pickle.loads(Path(cases_file).read_bytes())
    for copy in copies:
        sys.stdout.write(f"{judged(copy, cases)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
