"""Where mappings lie: the shipped ones in `formats/`, and files of one's own."""

from importlib import resources
from pathlib import Path

from csstream.logs.fault import MappingError, nearest
from csstream.logs.grammar import parse_mapping
from csstream.logs.mapping import Mapping


def load_mapping(path: Path) -> Mapping:
    """Read and check a mapping file. Raises MappingError with file, line, key and way out (SPEC 10)."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise MappingError(f"{path}: cannot be read: {error}") from None
    return parse_mapping(text, str(path))


def formats() -> tuple[str, ...]:
    """The names of the shipped mappings, for `import --format` (SPEC 10)."""
    files = resources.files("csstream.logs").joinpath("formats").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def shipped(name: str) -> Mapping:
    """A shipped mapping by name. Raises MappingError naming the nearest."""
    if name not in formats():
        raise MappingError(
            f"no format {name!r}; {nearest(name, formats())} Or write one: --mapping FILE.toml"
        )
    file = resources.files("csstream.logs").joinpath("formats", f"{name}.toml")
    return parse_mapping(file.read_text("utf-8"), f"{name}.toml")
