"""What came of the reminder scripts (SPEC 6): by last touch and by any touch, and what was cancelled afterwards.

Both ways of counting are shown because neither is the truth: the last script before a payment did not earn it alone,
and an order touched by three scripts is no success of all three.
"""

from collections.abc import Iterator

from csstream.core.orders.purchase import Purchase

COLUMNS = ("reminded", "paid_last", "paid_any", "cancelled")


def outcomes(order: Purchase) -> Iterator[tuple[str, str]]:
    """(script, column) for everything that an order adds 1 to."""
    for script in order.scripts:
        yield script, "reminded"
        if order.end_status == "paid":
            yield script, "paid_any"
            if script == order.last_script:
                yield script, "paid_last"
        elif order.end_status == "cancelled":
            yield script, "cancelled"
