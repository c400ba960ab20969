"""Thresholds as data: a policy says what counts as a reply, how long is too long and who is told.

Platforms judge the same chat by different rules and change them, so no threshold is code: it is a field, with a
name, a unit and a value in `policies/*.toml`. One line of `Policy` is the whole of a field (how it is read, checked,
set from the command line and shown); a file that is wrong is refused at start, whole, with every mistake at its line,
because a policy that is half understood gives numbers nobody can defend later. Facts carry the policy's tag, so
two different sets of thresholds never share one. SPEC section 2; durations are integer milliseconds.
"""

from csstream.policy.description import describe
from csstream.policy.durations import BOUNDS_S, DAY_MS, LONGEST_MS
from csstream.policy.fields import Policy
from csstream.policy.files import load, profiles
from csstream.policy.kind import Kind
from csstream.policy.lists import SENDERS
from csstream.policy.mistakes import PolicyError, Wrong
from csstream.policy.settings import with_settings
from csstream.policy.tables import LONG_WAITS, SEVERITIES, Level, Stage

__all__ = [
    "BOUNDS_S",
    "DAY_MS",
    "LONGEST_MS",
    "LONG_WAITS",
    "SENDERS",
    "SEVERITIES",
    "Kind",
    "Level",
    "Policy",
    "PolicyError",
    "Stage",
    "Wrong",
    "describe",
    "load",
    "profiles",
    "with_settings",
]
