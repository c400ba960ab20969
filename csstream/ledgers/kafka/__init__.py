"""The Kafka ledger, and how brokers are reached: what the worker, the notifier and the wall share."""

from csstream.ledgers.kafka.connection import Connection, UnreachableError, hush
from csstream.ledgers.kafka.ledger import KafkaLedger, RefusedError
from csstream.ledgers.kafka.output import Outputs

__all__ = ["Connection", "KafkaLedger", "Outputs", "RefusedError", "UnreachableError", "hush"]
