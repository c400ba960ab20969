"""The embedded driver: one process, nothing else needed. The demo plays a shop through it."""
