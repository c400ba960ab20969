"""A policy changed from the command line: `--set wait_ttl=48h` by the same kinds that read a file, and as strictly."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from csstream.policy.description import told_apart
from csstream.policy.fields import FIELDS, IDENTITY, Policy, attributes
from csstream.policy.files import profiles, shipped
from csstream.policy.mistakes import PolicyError, nearest


def with_settings(policy: Policy, settings: Iterable[str]) -> Policy:
    """The policy with fields set as on the command line, `["wait_ttl=48h", "long_wait=none"]`; the last one stands.

    Lists are parted by commas (`alert.levels=15s info,30s warning`). If anything differs the tag gets a hash of all
    settings (`handbook@1+0c9a2f11`). Raises `PolicyError` with every mistake, by the setting that has it.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    settable = [name for name in FIELDS if name not in IDENTITY]
    for setting in settings:
        name, equals, text = (part.strip() for part in setting.partition("="))
        place = f"--set {setting}"

        def wrong(path: str, said: str, place: str = place) -> None:
            problems.append(f"{place}: {path} {said}")

        if not equals:
            problems.append(f"{place}: must be FIELD=VALUE, as `wait_ttl=48h`")
        elif name in IDENTITY:
            wrong(
                name, "is what a policy's file says of itself: write a file with `extends` to give it another"
            )
        elif name not in settable:
            wrong(name, f"is not known: {nearest(name, settable)}")
        else:
            kind = FIELDS[name][1]
            values |= attributes(name, kind.read(kind.parse(text), name, wrong))
    if problems:
        raise PolicyError(problems)
    changed = told_apart(replace(policy, **values), policy)
    return told_apart(changed, shipped(policy.id)) if policy.id in profiles() else changed
