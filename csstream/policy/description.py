"""What a policy says as plain values, and the tag that follows from it.

The hash is of the description, not of the file: a comment or a unit written otherwise is no other policy, and the
same settings have the same tag on every machine.
"""

import hashlib
import json
from dataclasses import replace

from csstream.policy.fields import FIELDS, Policy


def describe(policy: Policy) -> dict[str, object]:
    """All fields by their SPEC names, as JSON values; written as TOML they load as the same policy."""
    shown: dict[str, object] = {}
    for name, (attribute, kind) in FIELDS.items():
        value = getattr(policy, attribute)
        shown[name] = kind.show((value, policy.long_wait_ms) if name == "long_wait" else value)
    return shown


def told_apart(policy: Policy, origin: Policy) -> Policy:
    """The origin if the policy says the same, else the policy with a tag that is not the origin's."""
    if replace(policy, changed=origin.changed) == origin:
        return origin
    said = json.dumps(describe(policy), sort_keys=True)
    return replace(policy, changed=hashlib.sha256(said.encode()).hexdigest()[:8])
