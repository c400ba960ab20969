"""How a broker is reached; one value that every Kafka client of a process is made from.

It also tells a broker that cannot be reached from one that refuses us, in words that name the way out.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka.client import AIOKafkaClient  # type: ignore[import-untyped]
from aiokafka.conn import get_ip_port_afi  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

PROBE_S = 3.0
"""Longest look at a broker's TLS, after it has let nobody in."""


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
        for address in self.broker.split(","):
            _check_address(address.strip())
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

    async def refusal(self, error: Exception) -> UnreachableError:
        """The same, once it is known whether TLS is to blame; takes some seconds at most."""
        return self.unreachable(await self._tls_fault() or error)

    async def _tls_fault(self) -> Exception | None:
        """What is wrong with TLS, which the client keeps to itself; None where it is something else."""
        if not self.security_protocol.endswith("SSL"):
            return None
        host, _, port = self.broker.partition(",")[0].rpartition(":")
        try:
            async with asyncio.timeout(PROBE_S):
                reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=self._tls())
                try:
                    await reader.read(1)  # only now do we hear that our own certificate is refused
                finally:
                    writer.close()
        except ssl.SSLCertVerificationError as error:
            return ValueError(f"its certificate is not trusted ({error.verify_message}): see kafka.ca_file")
        except ssl.SSLError as error:
            return ValueError(f"TLS fails ({error.reason}): see kafka.cert_file and kafka.key_file")
        except (OSError, ValueError):
            return None
        return None

    @asynccontextmanager
    async def client(self, name: str) -> AsyncIterator[AIOKafkaClient]:
        """A client for plain requests. Raises `UnreachableError`."""
        client = AIOKafkaClient(**self.settings(name))
        try:
            try:
                await client.bootstrap()
            except (KafkaError, OSError) as error:
                raise await self.refusal(error) from error
            yield client
        finally:
            await client.close()


def _check_address(address: str) -> None:
    """Raises ValueError for what is no HOST:PORT; without a port it is Kafka's own, 9092."""
    try:
        host, port, _ = get_ip_port_afi(address)
    except ValueError:
        host, port = "", 0
    if not host or not 0 < port < 1 << 16:
        raise ValueError(f"broker {address!r} is no address: give HOST:PORT, several with commas")


def hush(*, client: bool) -> None:
    """What the client raises where nobody waits any more is not logged by asyncio, which adds a trace.

    `client`: nor does the client log what it then raises.
    """
    logging.getLogger("asyncio").addFilter(_is_news)
    if client:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _is_news(record: logging.LogRecord) -> bool:
    return record.exc_info is None or not isinstance(record.exc_info[1], KafkaError | OSError)
