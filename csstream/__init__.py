"""csstream: who waits in the chat, for how long, and what it costs; live, and the same in every audit."""

__version__ = "0.1.0"
