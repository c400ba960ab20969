"""Signs a dead worker off from its group: what its kiosk does last, in a program that runs for a second.

A group waits for a member that was killed until its session is over, at least 6 s on a broker's defaults, and its
partitions are silent for so long. The kiosk of a worker outlives it and sees its end at once (`kiosk.py`), so it has the
member leave as one that ends in order does. Nothing rests on it: the name of a member is given once, so nobody else
can be meant, whoever opens a partition fences its earlier owner, and where a machine is lost the session ends all the
same. So this gives up soon, and says nothing.
"""

import asyncio
import json
import sys
from contextlib import suppress
from dataclasses import asdict

from aiokafka.client import ConnectionGroup, CoordinationType  # type: ignore[import-untyped]
from aiokafka.errors import (  # type: ignore[import-untyped]
    KafkaError,
    NoError,
    UnknownMemberIdError,
    for_code,
)
from aiokafka.protocol.group import LeaveGroupRequest  # type: ignore[import-untyped]

from csstream.kiosk import Will
from csstream.ledgers.kafka.connection import Connection, UnreachableError

GIVE_UP_S = 5.0
"""The session is nearly over by then."""

AGAIN_S = 0.2

DONE = NoError, UnknownMemberIdError
"""The member has left; or the group does not know it any more."""


def will(connection: Connection, group: str, member: str) -> Will:
    """What signs the member off."""
    told = json.dumps({"connection": asdict(connection), "group": group, "member": member})
    return Will((sys.executable, "-m", __name__), told)


async def sign_off(connection: Connection, group: str, member: str) -> None:
    """Have a member leave its group; one that is none is no error. Raises TimeoutError after 5 s."""
    async with asyncio.timeout(GIVE_UP_S):
        while True:
            with suppress(UnreachableError, KafkaError, OSError):
                if await _leave(connection, group, member) in DONE:
                    return
            await asyncio.sleep(AGAIN_S)


async def _leave(connection: Connection, group: str, member: str) -> type[KafkaError]:
    async with connection.client("csstream-signoff") as client:
        node = await client.coordinator_lookup(CoordinationType.GROUP, group)
        request = LeaveGroupRequest(group, member)
        answer = await client.send(node, request, group=ConnectionGroup.COORDINATION)
        error: type[KafkaError] = for_code(answer.error_code)
        return error


if __name__ == "__main__":
    given = json.load(sys.stdin)
    asyncio.run(sign_off(Connection(**given["connection"]), given["group"], given["member"]))
