"""What is asked for with every event, under names that cost nothing.

Compiled code looks what is not compiled up by its name each time it names it; a constant it has at hand.
"""

from typing import Final

from csstream.core.facts import Wait
from csstream.events import Complaint, Message, Order, Spam, read

COMPLAINT: Final = Complaint
MESSAGE: Final = Message
ORDER_EVENT: Final = Order
SPAM: Final = Spam

WAIT: Final = Wait

READ: Final = read
