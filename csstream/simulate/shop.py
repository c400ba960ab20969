"""A shop, put together: people, customers and what they do share one story."""

from collections.abc import Iterator

from csstream.simulate.arrivals import Arrivals
from csstream.simulate.conversation import Conversation
from csstream.simulate.customers import Customers
from csstream.simulate.farewell import Farewell
from csstream.simulate.orders import Orders
from csstream.simulate.plan import Plan
from csstream.simulate.roster import Roster
from csstream.simulate.story import Story, Wire


def shop(plan: Plan, number: int) -> Iterator[Wire]:
    """The events (SPEC 1) of the plan's shop with this number, counted from 1; in order of time, without end."""
    story = Story(plan.seed, number)
    roster = Roster(story, plan.agents)
    customers = Customers(story)
    orders = Orders(story, roster, plan.orders, plan.seed) if plan.orders else None
    conversation = Conversation(story, roster, Farewell(story, customers, plan.ratings, orders))
    if plan.presence:
        roster.sign_up(plan.start_ms)
    Arrivals(story, plan, roster, customers, conversation, orders).expect(plan.start_ms)
    return story.run()
