"""The token: where it comes from, and that nobody else reads it."""

import errno
import os
from pathlib import Path

import pytest

from csstream.web.bearer import TokenError, given_token, made_token, read_token


def test_a_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    made_token(path)
    text = path.read_text()
    assert len(text.strip()) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    made_token(path)
    assert path.read_text() == text


def test_a_token_that_a_full_disk_did_not_take_is_made_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(TokenError, match="token cannot be written: No space left on device"):
            made_token(tmp_path / "token")
    made_token(tmp_path / "token")


@pytest.mark.parametrize(
    "text", ["", "\n", "short", "with a blank in the middle of it", "zeichen-die-keiner-tippt-ä"]
)
def test_what_is_no_token_is_refused_without_being_shown(text: str, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    with pytest.raises(TokenError) as of_file:
        read_token(path)
    with pytest.raises(TokenError) as of_text:
        given_token(text, "CSSTREAM_TOKEN")
    for error in (of_file, of_text):
        assert not text.strip() or text.strip() not in str(error.value)


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="no-such"):
        read_token(tmp_path / "no-such")
