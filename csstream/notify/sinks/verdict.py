"""The verdict of services that answer 200 and mean no: a code in the body, 0 for taken.

Only the code is repeated, with our own words for the common ones: the service's own text may hold what we sent, or
the token that we sent it with.
"""

from collections.abc import Mapping

import orjson

from csstream.notify.message import Answer
from csstream.notify.post import Reply


def by_code(
    reply: Reply | Answer, names: tuple[str, ...], meanings: Mapping[int, str], pauses_ms: Mapping[int, int]
) -> Answer:
    """Taken only if the first of the fields `names` that is there says 0. `pauses_ms`: codes that ask for a pause."""
    if isinstance(reply, Answer):
        return reply
    try:
        body = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return Answer(False, f"HTTP {reply.status}, but the body is not the service's JSON")
    code = next((body[name] for name in names if name in body), None) if isinstance(body, dict) else None
    if type(code) is not int:
        return Answer(False, f"HTTP {reply.status}, but the body has no {names[0]}")
    if code == 0:
        return Answer(True, f"{names[0]} 0")
    meaning = meanings.get(code, "look the code up in the service's documentation")
    return Answer(False, f"{names[0]} {code}: {meaning}", retry_after_ms=pauses_ms.get(code, 0))
