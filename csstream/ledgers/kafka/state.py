"""What lies in a tables topic beside the rows: where each input is read up to, and what wrote the rows.

Both are rows themselves, under keys that no row of the core has (those are JSON arrays), so that one commit
changes all three, and one reading brings all three back.
"""

import time
from collections.abc import Callable, Mapping

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]

from csstream.core.rows import CODEC

RULES = 1
"""Version of the rules of the core: rows of one version go on as those of no other."""

POSITIONS = b"@positions"
META = b"@meta"

POLICIES = 16
"""How many of the last policies a row `@meta` names."""

SAY_S = 5.0
"""How often a reader that waits says so."""


class Kept(msgspec.Struct):
    """The position in one input: the next record, and which topic it counts in."""

    next: int
    id: str
    partitions: int


class Meta(msgspec.Struct, omit_defaults=True):
    """Row `@meta`: what wrote the rows. `policies`: under which they came about, the newest last.

    `application`: whose they are; another one would not be fenced by its transactions. `rebuilding`: rows are being
    made anew, and are not whole.
    """

    codec: int = CODEC
    rules: int = RULES
    policies: list[str] = []
    application: str = ""
    rebuilding: bool = False

    def under(self, application: str, policy: str, *, rebuilding: bool = False) -> "Meta":
        """As it is once this program, under this policy, has added rows."""
        policies = self.policies
        if policy and policies[-1:] != [policy]:
            policies = [*policies, policy][-POLICIES:]
        return Meta(policies=policies, application=application, rebuilding=rebuilding)


encode = msgspec.json.Encoder().encode
decode_positions = msgspec.json.Decoder(dict[str, Kept]).decode
decode_meta = msgspec.json.Decoder(Meta).decode


AT_POSITIONS, AT_CLOCK = "cs-positions", "cs-clock"


def published_at(kept: Mapping[str, Kept], clock_ms: int | None) -> list[tuple[str, bytes | None]]:
    """Headers of the last record of a step in each output: up to where it had read, and what time it was.

    Were the rows lost, these would say what has been published already.
    """
    told: list[tuple[str, bytes | None]] = [(AT_POSITIONS, encode(kept))]
    if clock_ms is not None:
        told.append((AT_CLOCK, str(clock_ms).encode()))
    return told


async def read_rows(
    reader: AIOKafkaConsumer, tables: TopicPartition, say: Callable[[str], None]
) -> dict[bytes, bytes]:
    """All rows of the partition that a reader is assigned, as last committed; `say` hears why it takes long.

    The end is the log's own: rows committed before it may lie behind a transaction that is still open.
    """
    await reader.seek_to_beginning(tables)
    rows: dict[bytes, bytes] = {}
    end: int | None = None
    since = said = time.monotonic()
    while end is None or await reader.position(tables) < end:
        lists = await reader.getmany(tables, timeout_ms=50)
        for record in lists.get(tables, ()):
            row = record.value
            if row is None:
                rows.pop(record.key, None)
            else:
                rows[record.key] = row
        if end is None:
            # Told with the first answer, so after the producer was started: no earlier owner writes behind it.
            end = reader.highwater(tables)
        now = time.monotonic()
        if lists:
            since = now
        elif now - max(since, said) > SAY_S:
            said = now
            at = await reader.position(tables)
            say(
                f"{tables.topic} partition {tables.partition}: rows are read up to {at} of {end}, waiting for "
                f"the rest since {now - since:.0f} s; another program has an open transaction there, or the "
                "broker is away"
            )
    return rows
