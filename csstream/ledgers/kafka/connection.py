"""How a broker is reached; one value that every Kafka client of a process is made from.

It also tells a broker that cannot be reached from one that refuses us, in words that name the way out.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka.client import AIOKafkaClient  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class UnreachableError(Exception):
    """No broker answered, or it did not let us in."""


@dataclass(frozen=True)
class Connection:
    """Where the brokers are (`host:port`, several with commas), and who we are to them."""

    broker: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    key_password: str | None = field(default=None, repr=False)
    request_timeout_ms: int = 40_000

    def __post_init__(self) -> None:
        if self.security_protocol not in PROTOCOLS:
            raise ValueError(
                f"security protocol {self.security_protocol!r}: choose one of {', '.join(PROTOCOLS)}"
            )
        if self.sasl_mechanism not in MECHANISMS:
            raise ValueError(f"SASL mechanism {self.sasl_mechanism!r}: choose one of {', '.join(MECHANISMS)}")
        if self.security_protocol.startswith("SASL") and (self.username is None or self.password is None):
            raise ValueError(
                f"{self.security_protocol} wants a user and a password: give kafka.username and kafka.password_file"
            )
        if self.security_protocol.endswith("SSL"):
            self._tls()  # files that cannot be read are told at once, and not by the first client

    def settings(self, name: str) -> dict[str, Any]:
        """What every aiokafka client takes; `name` is how the broker's logs and quotas call it."""
        given: dict[str, Any] = {
            "bootstrap_servers": self.broker,
            "client_id": name,
            "request_timeout_ms": self.request_timeout_ms,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            given["ssl_context"] = self._tls()
        if self.security_protocol.startswith("SASL"):
            given["sasl_mechanism"] = self.sasl_mechanism
            given["sasl_plain_username"] = self.username
            given["sasl_plain_password"] = self.password
        return given

    def _tls(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file, self.key_password or "")
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(file for file in (self.ca_file, self.cert_file, self.key_file) if file)
            raise ValueError(
                f"TLS cannot be set up with {files}: {getattr(error, 'strerror', None) or type(error).__name__}; "
                "see kafka.ca_file, kafka.cert_file, kafka.key_file, kafka.key_password_file"
            ) from None
        return context

    def unreachable(self, error: Exception) -> UnreachableError:
        """`error` in words for whoever has to mend it."""
        return UnreachableError(
            f"no broker at {self.broker} lets us in: {str(error) or type(error).__name__}; "
            "start it, or name another with --broker or CSSTREAM_BROKER"
        )

    @asynccontextmanager
    async def client(self, name: str) -> AsyncIterator[AIOKafkaClient]:
        """A client for plain requests. Raises `UnreachableError`."""
        client = AIOKafkaClient(**self.settings(name))
        try:
            try:
                await client.bootstrap()
            except (KafkaError, OSError) as error:
                raise self.unreachable(error) from error
            yield client
        finally:
            await client.close()
