"""An agent on the floor: who waits for him, whom he has received, and since when he is what he says he is."""

from csstream.core.alert import Alert
from csstream.core.changes import OpenWait
from csstream.core.conversation import NEVER


class Desk:
    """One agent. Instants in epoch ms, -1 for none."""

    def __init__(self, agent: str, capacity: int) -> None:
        self.agent = agent
        self.legs: dict[str, OpenWait] = {}
        """Open `normal` waits that he holds, by customer."""
        self.guests: set[str] = set()
        """Customers whose latest session has a reception of his; who fell silent may be left out."""
        self.spell = ""
        """`online`, `hung` (away too: one spell) or `offline`; empty where he never said."""
        self.spell_ms = -1
        self.before: tuple[str, int] = "", -1
        """The spell before, as long as this one has no length: what lasts no time breaks none."""
        self.capacity = capacity
        """Customers at once: his own latest, else the policy's."""
        self.signed: tuple[int, str] = -1, ""
        """His last sign: when, and its event."""
        self.sent_ms = -1
        """His last effective message to anyone."""
        self.standing: dict[str, Alert] = {}
        """His alerts that stand, by rule."""
        self.changed = False
        """Whether there is anything new in what a row keeps of him."""
        self.sure_ms = -1
        """Up to then his guests alone keep an overload up, whoever of those who wait is answered."""
        self.due = NEVER
        """The next instant at which somebody comes to look at him."""

    def sign(self, state: str, t: int) -> bool:
        """He says at `t` what he is; whether that is anything new."""
        spell = "hung" if state == "away" else state
        if spell == self.spell:
            return False
        if self.spell_ms < t:
            self.before = self.spell, self.spell_ms
        self.spell, self.spell_ms = self.before if spell == self.before[0] else (spell, t)
        return True

    @property
    def oldest_leg_ms(self) -> int:
        """Start of his oldest leg; he must have one."""
        return min([wait.leg_from for wait in self.legs.values()])
