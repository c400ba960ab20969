"""Policies from files: the shipped profiles, and a platform's or shop's own that extends one of them.

A file is refused whole, with every mistake at its line. A shipped id is taken: what says something else under it
gets a tag of its own.
"""

import functools
import importlib.resources
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from csstream.policy.description import told_apart
from csstream.policy.fields import FIELDS, Policy, attributes
from csstream.policy.key_lines import KeyLines
from csstream.policy.mistakes import PolicyError, Wrong, nearest, quoted


def _read_table(table: Mapping[str, object], prefix: str, values: dict[str, Any], wrong: Wrong) -> None:
    for key, value in table.items():
        name = f"{prefix}{key}"
        inside = [known for known in FIELDS if known.startswith(f"{name}.")]
        if name in FIELDS:
            values |= attributes(name, FIELDS[name][1].read(value, name, wrong))
        elif not inside:
            tables = {known.partition(".")[0] for known in FIELDS if "." in known}
            wrong(
                name, f"is not known: {nearest(name, sorted(tables) if isinstance(value, dict) else FIELDS)}"
            )
        elif isinstance(value, dict):
            _read_table(value, f"{name}.", values, wrong)
        else:
            wrong(name, f"must be a table, not {quoted(value)}: its fields are {', '.join(inside)}")


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", str(error))
        line = place[1] if place and place[1] else str(text.count("\n") + 1)
        said = str(error).replace(place[0], "") if place else str(error)
        raise PolicyError([f"{source}:{line}: is not TOML here: {said}"]) from None
    except (
        RecursionError,
        ValueError,
    ) as error:  # what the parser itself lets through: depth, endless numbers
        raise PolicyError([f"{source}:1: cannot be read as TOML: {error}"]) from None


def _read(text: str, source: str, *, complete: bool = False) -> Policy:
    """The policy of a file's text; `complete`: it extends nothing and must give every field."""
    table = _parse(text, source)
    problems: list[tuple[str, str]] = []

    def wrong(path: str, said: str) -> None:
        problems.append((path, said))

    values: dict[str, Any] = {}
    if not complete:
        extended = table.pop("extends", "handbook")
        if extended not in profiles():
            near = nearest(str(extended), profiles())
            wrong("extends", f"must be a shipped profile, not {quoted(extended)}: {near}")
            extended = "handbook"
        parent = shipped(extended)
        values |= {f.name: getattr(parent, f.name) for f in fields(Policy) if f.init}
    _read_table(table, "", values, wrong)
    if complete:
        for name, (attribute, _) in FIELDS.items():
            if attribute not in values:
                wrong(name, "is missing: this file must give every field")
    elif "id" in table and "version" not in table:
        wrong(
            "version",
            "is missing: a policy with an id of its own counts its own versions, write `version = 1`",
        )
    if problems:
        keys = KeyLines(text)
        placed = sorted(
            ((keys.line(path), f"{path} {said}") for path, said in problems), key=lambda at: at[0]
        )
        raise PolicyError([f"{source}:{line}: {said}" for line, said in placed])
    return Policy(**values)


def _folder() -> Any:
    return importlib.resources.files("csstream") / "policies"


@functools.cache
def profiles() -> tuple[str, ...]:
    """The names of the shipped profiles, `handbook` (the default) first."""
    names = {
        entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml")
    }
    return ("handbook", *sorted(names - {"handbook"}))


@functools.cache
def shipped(name: str) -> Policy:
    """The shipped profile of that name, which must be one of `profiles()`."""
    text = (_folder() / f"{name}.toml").read_text("utf-8")
    return _read(text, f"policies/{name}.toml", complete=name == "handbook")


def load(name_or_file: str) -> Policy:
    """The shipped profile of that name, else the policy in that file (SPEC 2).

    A file extends a profile (`extends = "tmall"`, else handbook) and gives what differs. One without an `id` of its
    own is the profile changed, and its tag says so. Raises `PolicyError` with every mistake at its line.
    """
    if name_or_file in profiles():
        return shipped(name_or_file)
    try:
        text = Path(name_or_file).read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise PolicyError([f"{name_or_file}: is not UTF-8: save it as UTF-8"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        near = nearest(name_or_file, profiles())
        raise PolicyError(
            [f"{name_or_file}: is no shipped profile and cannot be read ({reason}): {near}"]
        ) from None
    policy = _read(text, name_or_file)
    # A shipped id is taken: whatever else calls itself so says that it is not the shipped one.
    return told_apart(policy, shipped(policy.id)) if policy.id in profiles() else policy
