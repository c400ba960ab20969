"""Which reader a file needs: as the mapping says, else by the end of its name."""

from pathlib import Path

from csstream.logs.fault import LogError
from csstream.logs.mapping import Mapping
from csstream.logs.source import Source
from csstream.logs.tables import open_parquet, open_sheet
from csstream.logs.text import open_text

_KINDS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
    ".xlsx": "excel", ".xlsm": "excel", ".xlsb": "excel", ".xls": "excel", ".ods": "excel",
}  # fmt: skip

_PACKED = (
    (b"\x1f\x8b", "packed with gzip", "unpack it: gzip -dk FILE"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "unpack it: zstd -d FILE"),
    (b"PK\x03\x04", "a zip file or a workbook", 'unpack it, or set `format = "excel"` under [read]'),
)


def open_source(path: Path, mapping: Mapping, name: str) -> Source:
    """Open a file as the mapping says, else by its suffix. `name` stands in errors. Raises LogError."""
    kind = mapping.read.format or _KINDS.get(path.suffix.lower(), "csv")
    try:
        if kind == "parquet":
            return open_parquet(path, mapping, name)
        if kind == "excel":
            return open_sheet(path, mapping.read, name)
        with path.open("rb") as file:
            head = file.read(4)
        for magic, what, way_out in _PACKED:
            if head.startswith(magic):
                raise LogError(f"{name}: {what}, not {kind}; {way_out}")
        return open_text(path, mapping, name, kind)
    except OSError as error:
        raise LogError(f"{name}: cannot be read: {error.strerror or error}") from None
