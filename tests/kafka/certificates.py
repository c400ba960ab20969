"""An authority of our own, and what it signs: for brokers that speak TLS, and for those who come to them."""

import shutil
import subprocess
from pathlib import Path

FORM = "[req]\ndistinguished_name = name\n[name]\n"
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


def openssl() -> str | None:
    """The tool that makes them; None where there is none."""
    return shutil.which("openssl")


class Authority:
    """Signs certificates; all files lie in a folder, made if it is not there."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.file = folder / "authority.pem"
        """Its own certificate: whoever trusts it trusts all that it signs."""
        self._form = folder / "form"
        self._form.write_text(FORM, "utf-8")
        self._make("authority", "basicConstraints=critical,CA:TRUE")

    def signed(self, name: str) -> tuple[Path, Path]:
        """A certificate for 127.0.0.1 and its key; `NAME.both.pem` holds them in one file."""
        by = ("-CA", str(self.file), "-CAkey", str(self.folder / "authority.key"))
        self._make(name, "subjectAltName=IP:127.0.0.1", *by)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        (self.folder / f"{name}.both.pem").write_bytes(key.read_bytes() + certificate.read_bytes())
        return certificate, key

    def _make(self, name: str, says: str, *more: str) -> None:
        tool = openssl()
        assert tool is not None
        subprocess.run(
            [tool, "req", "-x509", "-config", self._form, *KEY, "-subj", f"/CN={name}", "-addext", says, *more,
             "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.pem"],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
