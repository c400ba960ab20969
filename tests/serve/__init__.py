"""The embedded driver: what people see of it, in process with a wall clock of our own, and as a process."""
