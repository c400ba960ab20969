"""Foreign logs to events: what a platform exports becomes what the rest of the program reads (SPEC 10).

A log format is data, one TOML file in `formats/`, with a sample and the events it must give beside it.
"""

from csstream.logs.fault import BadRow, LogError, MappingError
from csstream.logs.mapping import Mapping, formats, load_mapping, parse_mapping, shipped
from csstream.logs.run import LISTED, Progress, Result, convert

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
