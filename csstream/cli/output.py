"""Where a command writes: standard output, or a file that has its name only when it is whole."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from csstream.cli.options import Failure


@contextmanager
def writing(out: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that has its name only when it is whole. A pipe or a device is simply written to."""
    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    import gzip

    special = out.exists() and not out.is_file()  # a pipe or a device: it is written, and stays what it is
    whole = out if special else out.resolve()  # where a link leads to
    part = out if special else whole.with_name(f".{whole.name}.{os.getpid()}")
    try:
        with part.open("wb") as raw:
            if out.suffix == ".gz":
                with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                    yield packed  # type: ignore[misc]  # a writable binary stream all the same
            else:
                yield raw
        if not special:
            part.replace(whole)
    except OSError as error:
        raise Failure(f"{out}: {error.strerror}; is the folder there, and is there space?") from error
    finally:
        if not special:
            part.unlink(missing_ok=True)


def print_json(told: Any, *, err: bool = False) -> None:
    """A result for scripts: one JSON text on standard output."""
    click.echo(json.dumps(told, default=str, ensure_ascii=False), err=err)
