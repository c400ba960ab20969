"""The pure core: events in, facts, figures and alerts out.

Pure means: no clock, no I/O, no randomness, no async, no Kafka, no environment. Time is an argument. So the
live worker, the embedded server and the audit of an old log cannot disagree: they run these same functions,
and everything around them is a thin driver. `tests/test_house.py` holds the modules here to it.
"""

from csstream.core import conversation as _conversation

COMPILED = not str(_conversation.__file__).endswith(".py")
"""Whether the core in use is the compiled one (`make compiled`); it concludes the same, in less time."""
