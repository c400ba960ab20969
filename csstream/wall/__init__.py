"""The supervisors' wall: one page for a room, and the stream that keeps it up to date.

It stands apart from those who measure: a picture is handed in (by an engine in the same process, or by a follower of
Kafka), encoded once a change, and sent to everyone who looks on. So two hundred screens cost the workers nothing.
"""

from csstream.wall.access import Access
from csstream.wall.app import mount
from csstream.wall.picture import Moment, Picture

__all__ = ["Access", "Moment", "Picture", "mount"]
