"""Whom one customer's orders make him on a day (SPEC 6): somebody who ordered, who paid, who bought.

These figures count persons, not orders, so one more order changes them only if no other of that day had done so: all of
the day are asked, and no more of each than it takes.
"""

from collections.abc import Iterable
from typing import NamedTuple

from csstream.core.calendar import Day
from csstream.core.orders.owner import owner_of
from csstream.core.orders.purchase import Purchase
from csstream.core.orders.terms import Terms


class Person(NamedTuple):
    """What a customer counts as; `served` and `silent`: he paid for an order with an owner, without one."""

    orderer: bool = False
    payer: bool = False
    served: bool = False
    silent: bool = False


def person_of(terms: Terms, orders: Iterable[Purchase], day: Day) -> Person:
    """What his orders make a customer on a day."""
    start, end = day.start_ms, day.end_ms
    orderer = payer = served = silent = False
    for order in orders:
        if start <= order.created < end and not order.cod:
            orderer = True
            payer = payer or (
                order.paid >= 0 and order.paid < terms.calendar.days_after(day, terms.final_days)
            )
        if start <= order.paid < end and order.paid_fen is not None and not (served and silent):
            owned = owner_of(terms, order).agent is not None
            served, silent = served or owned, silent or not owned
    return Person(orderer, payer, served, silent)
