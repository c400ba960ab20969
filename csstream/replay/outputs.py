"""The folder of a replay, read again: its manifest and its facts, for `diff` and `explain`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from csstream.replay.job import ReplayError

Row = dict[str, Any]
"""A fact as written, a JSON object."""


class Output:
    """What one replay wrote. Raises ReplayError where the folder is none of a replay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "manifest.json"
        try:
            self.manifest: Row = orjson.loads(path.read_bytes())
            self.policy: Row = self.manifest["policy_fields"]
        except FileNotFoundError:
            raise ReplayError(
                f"{folder}: there is no manifest.json; name the folder that `csstream replay --out` wrote "
                "(of a what-if: one of its folders)"
            ) from None
        except (OSError, ValueError, KeyError) as error:
            raise ReplayError(f"{path}: is no manifest of a replay ({error}); replay the log again") from None

    def rows(self, name: str) -> Iterator[Row]:
        """The lines of one of its files, in their order."""
        path = self.folder / name
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    try:
                        yield orjson.loads(line)
                    except orjson.JSONDecodeError as error:
                        raise ReplayError(
                            f"{path}:{number}: is no JSON ({error}); replay the log again"
                        ) from None
        except OSError as error:
            raise ReplayError(f"{path}: {error.strerror}; replay the log again") from None

    def fact(self, name: str) -> Row:
        """One fact by its id, or an alert by its."""
        for file, key in (("facts.jsonl", "fact"), ("alerts.jsonl", "alert")):
            for row in self.rows(file):
                if row[key] == name:
                    return row
        raise ReplayError(
            f"{name}: {self.folder} holds no such fact or alert; ids stand under `fact` in facts.jsonl "
            "and under `alert` in alerts.jsonl"
        )
