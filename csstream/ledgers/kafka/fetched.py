"""Records handed on in the form that their reader wants.

Of every record that was fetched the client makes a `ConsumerRecord`, field by field; where records come by the hundred
thousand that is most of what reading them costs.
"""

from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.consumer.fetcher import FetchResult  # type: ignore[import-untyped]


def hand_on(reader: AIOKafkaConsumer, form: Callable[[TopicPartition, Any], Any]) -> None:
    """Have a reader that was started hand each record on as `form` makes it of its place and of what was fetched.

    That has `offset`, `timestamp`, `key`, `value` and `headers`.
    """
    fetcher = reader._fetcher
    fetch = fetcher._proc_fetch_request

    async def fetch_so(*asked: Any) -> Any:
        answer = await fetch(*asked)
        for found in fetcher._records.values():
            if isinstance(found, FetchResult) and found.has_more():
                found._partition_records._consumer_record = form
        return answer

    fetcher._proc_fetch_request = fetch_so


def as_it_is(_: TopicPartition, record: Any) -> Any:
    """What was fetched."""
    return record
