"""Foreign logs to events: what a platform exports becomes what the rest of the program reads (SPEC 10).

A log format is data, one TOML file in `formats/`, with a sample and the events it must give beside it.
"""

from csstream.logs.fault import BadRow, LogError, MappingError
from csstream.logs.grammar import parse_mapping
from csstream.logs.mapping import Mapping
from csstream.logs.run import LISTED, Progress, Result, convert
from csstream.logs.shelf import formats, load_mapping, shipped

__all__ = [
    "LISTED",
    "BadRow",
    "LogError",
    "Mapping",
    "MappingError",
    "Progress",
    "Result",
    "convert",
    "formats",
    "load_mapping",
    "parse_mapping",
    "shipped",
]
