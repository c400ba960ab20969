"""Followed files as events: lines go in with the place behind them, in one transaction, so that each counts once.

A line that is no event must not stop a file, as a bad record does not stop a topic: it is taken, and the core sets it
aside with its reason.
"""

import asyncio
import logging
from contextlib import closing

from csstream.events import TOPIC_OF, Reject, decode_many
from csstream.serve.inbox import Inbox
from csstream.serve.tail import FollowError, Tail
from csstream.web.batch import Entry
from csstream.web.ingest import AwayError

POLL_S = 0.2
"""How often a file is looked at that had nothing new."""

RETRY_S = 1.0

UNREADABLE_TOPIC = "cs.chat"
"""The topic of a line whose type cannot be told."""


_log = logging.getLogger(__name__)


def entries_of(lines: list[bytes]) -> list[Entry]:
    """Lines as events on their way in; blank ones are nothing."""
    found = [line for raw in lines if (line := raw.strip())]
    return [
        Entry(UNREADABLE_TOPIC, "", line)
        if isinstance(event, Reject)
        else Entry(TOPIC_OF[type(event)], event.shop, line)
        for line, event in zip(found, decode_many(found), strict=True)
    ]


async def follow(path: str, inbox: Inbox) -> None:
    """Take what is in the file from where it was left, and what is written to it, until cancelled.

    Raises FollowError where it cannot begin; later it tries again, for events come in by other ways, too.
    """
    begun = False
    while True:
        try:
            with closing(Tail(path, (await inbox.places()).get(path))) as tail:
                while True:
                    cut = await asyncio.to_thread(tail.read)
                    begun = True
                    if cut is None:
                        await asyncio.sleep(POLL_S)
                    else:
                        await inbox.put_patiently(entries_of(cut.lines), cut.place)
        except AwayError:
            pass  # whether these lines are kept only the file of the inbox tells, once it can be read again
        except FollowError as error:
            if not begun:
                raise
            _log.warning("%s; trying again", error)
        except OSError as error:
            _log.warning("%s: %s; trying again", path, error.strerror)
        await asyncio.sleep(RETRY_S)
