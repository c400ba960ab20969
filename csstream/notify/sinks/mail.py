"""E-mail, over TLS from the first byte or by STARTTLS, to a fixed list of people.

The Message-ID is made of the message's id, so that a mail sent again is one that mail programs know. A server says
yes once it has the whole mail; where it breaks off in between nobody knows.
"""

import asyncio
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage

import aiosmtplib

from csstream.notify.address import BlockedError, look_up, socket_maker
from csstream.notify.message import Answer, Message
from csstream.notify.sinks.kind import Field, Settings, SinkKind
from csstream.notify.target import Rate
from csstream.notify.wording import text_of

PORTS = {"tls": 465, "starttls": 587, "none": 25}


class Mail:
    """Sends mails."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tls = settings.texts.get("tls", "tls")
        self._port = settings.numbers.get("port", PORTS[self._tls])

    async def send(self, message: Message) -> Answer:
        """Send it; yes is the server's answer to the whole mail."""
        client: aiosmtplib.SMTP | None = None
        delivering = False
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                mail = self.mail(message)
                client = await self._connect()
                delivering = True
                refused, _ = await client.send_message(mail)
        except aiosmtplib.SMTPRecipientsRefused:
            return Answer(False, "the server refused all recipients")
        except aiosmtplib.SMTPResponseException as error:
            return Answer(False, f"the server answered {error.code}")
        except TimeoutError:
            return Answer(False, f"no answer within {self._settings.timeout_s:g} s", maybe=delivering)
        except BlockedError as error:
            return Answer(False, str(error))
        except (
            aiosmtplib.SMTPException,
            OSError,
            UnicodeError,
        ) as error:  # UnicodeError: a host that is no name
            said = "the connection broke" if delivering else "no connection"
            return Answer(False, f"{said} ({type(error).__name__})", maybe=delivering)
        finally:
            if client is not None:
                client.close()
        if refused:
            return Answer(True, f"sent, but {len(refused)} of the recipients were refused")
        return Answer(True, "sent")

    async def _connect(self) -> aiosmtplib.SMTP:
        host = self._settings.texts["host"]
        loop = asyncio.get_running_loop()
        make = socket_maker(allow_private=self._settings.allow_private, plain=self._tls == "none")
        failure: OSError = OSError("no address")
        for info in await look_up(host, self._port):
            try:
                # The address looked at is the address connected to.
                with make(info) as own:
                    own.setblocking(False)
                    await loop.sock_connect(own, info[4])
                    password = self._settings.secrets.get("password")
                    client = aiosmtplib.SMTP(
                        hostname=host,
                        port=None,
                        sock=own.dup(),
                        local_hostname="csstream.invalid",
                        use_tls=self._tls == "tls",
                        start_tls=self._tls == "starttls",
                        username=self._settings.texts.get("username"),
                        password=None if password is None else password.text(),
                        timeout=self._settings.timeout_s,
                    )
                    await client.connect()
                    return client
            except OSError as error:
                failure = error
        raise failure

    def mail(self, message: Message) -> EmailMessage:
        """The message as a mail."""
        text = text_of(message, self._settings.voice)
        mail = EmailMessage()
        mail["Subject"] = text.title
        mail["From"] = self._settings.texts["from"]
        mail["To"] = ", ".join(self._settings.lists["to"])
        mail["Date"] = datetime.fromtimestamp(message.at_ms / 1000, UTC)
        mail["Message-ID"] = f"<{message.id}@csstream.invalid>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text.whole())
        return mail

    async def close(self) -> None:
        """Nothing stays open."""


def address_fault(text: str) -> str | None:
    """What is wrong with a mail address; None if nothing is."""
    try:
        address = Address(addr_spec=text)
    except (ValueError, IndexError, HeaderParseError):
        return "is no mail address"
    return None if address.domain and text.isascii() else "is no mail address"


MAIL = SinkKind(
    "mail",
    "e-mail over SMTP",
    (
        Field("host", "text", required=True),
        Field("port", "number"),
        Field("tls", "choice", choices=("tls", "starttls", "none")),
        Field("username", "text"),
        Field("password", "secret"),
        Field("from", "address", required=True),
        Field("to", "addresses", required=True),
    ),
    Mail,
    rate=Rate.of(10),
)
