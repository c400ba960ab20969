"""A sort of field: everything that is done with its values, in one place.

A field of `Policy` names its kind and needs no other code, so that what is read from a file, set from the command
line and shown cannot come apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from csstream.policy.mistakes import Wrong


@dataclass(frozen=True, slots=True)
class Kind:
    """How the values of a sort of field are read from TOML, shown as JSON, and taken from `--set` text."""

    read: Callable[[object, str, Wrong], Any]
    show: Callable[[Any], object]
    parse: Callable[[str], object] = lambda text: text
