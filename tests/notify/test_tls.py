"""TLS as in production: a certificate that is trusted gets the message, any other gets nothing."""

import asyncio
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.notify.service import TAKEN, answer
from tests.notify.test_sinks import Postbox

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key and a certificate for localhost that signs itself."""
    tool = shutil.which("openssl")
    if tool is None:
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [tool, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return folder


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    """What a server needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


class Hook:
    """A service behind TLS; what reached it."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        self.got.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer(200, TAKEN))
        await writer.drain()
        writer.close()


@pytest.fixture
async def hook(context: ssl.SSLContext) -> AsyncIterator[tuple[Hook, int]]:
    """A hook that listens, and its port."""
    hook = Hook()
    server = await asyncio.start_server(hook.serve, "127.0.0.1", 0, ssl=context)
    yield hook, server.sockets[0].getsockname()[1]
    server.close()


async def proved(folder: Path, text: str, trusted: Path | None) -> subprocess.CompletedProcess[str]:
    """`csstream alerts test` with this configuration, and perhaps one more certificate that is trusted."""
    (folder / "alerts.toml").write_text(text + '\n[[routes]]\nsinks = ["ops"]\n', "utf-8")
    more = {"SSL_CERT_FILE": str(trusted)} if trusted else {}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "csstream", "alerts", "test", "alerts.toml", "--sink", "ops"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | more,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("trust", [True, False])
async def test_a_message_goes_only_to_whom_a_trusted_certificate_names(
    trust: bool, hook: tuple[Hook, int], certificate: Path, tmp_path: Path
) -> None:
    text = f'[sinks.ops]\nkind = "webhook"\nallow_private = true\nurl = "https://localhost:{hook[1]}/hook"\n'
    done = await proved(tmp_path, text, certificate / "cert.pem" if trust else None)
    assert (done.returncode == 0) is trust, done.stdout + done.stderr
    assert bool(hook[0].got) is trust
    assert ("no TLS that can be trusted" in done.stdout) is not trust


async def test_a_certificate_must_name_the_host_that_was_meant(
    hook: tuple[Hook, int], certificate: Path, tmp_path: Path
) -> None:
    text = f'[sinks.ops]\nkind = "webhook"\nallow_private = true\nurl = "https://127.0.0.1:{hook[1]}/hook"\n'
    done = await proved(tmp_path, text, certificate / "cert.pem")
    assert "no TLS that can be trusted" in done.stdout
    assert hook[0].got == []


@pytest.mark.parametrize("trust", [True, False])
async def test_a_mail_is_handed_over_inside_tls_alone(
    trust: bool, context: ssl.SSLContext, certificate: Path, tmp_path: Path
) -> None:
    box = Postbox()
    server = await asyncio.start_server(box.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    text = (
        f'[sinks.ops]\nkind = "mail"\nallow_private = true\nhost = "localhost"\nport = {port}\n'
        'from = "a@example.com"\nto = ["b@example.com"]\n'
    )
    done = await proved(tmp_path, text, certificate / "cert.pem" if trust else None)
    server.close()
    assert (done.returncode == 0) is trust, done.stdout + done.stderr
    assert len(box.mails) == trust
