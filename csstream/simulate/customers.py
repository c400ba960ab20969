"""Who comes: strangers, and now and then somebody who was here before."""

from collections import deque
from typing import Final

from csstream.simulate.story import Story

_RECENT: Final = 500  # customers remembered as likely to come back


class Customers:
    """The customers of one shop: who is here, and who was lately. Nobody visits twice at a time."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._count = 0
        self._here: set[str] = set()
        self._recent: deque[str] = deque(maxlen=_RECENT)

    def stranger(self) -> str:
        """Somebody who was never here, and does not stay: the id is new."""
        self._count += 1
        return f"c{self._count:06d}"

    def enter(self) -> str:
        """The id of a customer who comes, and is here until `leave`."""
        customer = self._known() or self.stranger()
        self._here.add(customer)
        return customer

    def leave(self, customer: str) -> None:
        """The visit is over; the customer may come again."""
        self._here.discard(customer)
        self._recent.append(customer)

    def _known(self) -> str | None:
        if self._recent and self._story.random() < 0.15:
            known = self._recent[int(self._story.random() * len(self._recent))]
            if known not in self._here:
                return known
        return None
