"""The audit of logs: files in, facts and figures out (SPEC 10, `csstream replay`).

Everything is a pure function of one customer's events and of the shop's last instant. So a log of any size is
sorted by customer on disk, and the customers are told one after the other, on as many processes as there are.
"""

from csstream.replay.job import Job, Progress, ReplayError, Summary
from csstream.replay.run import run

__all__ = ["Job", "Progress", "ReplayError", "Summary", "run"]
