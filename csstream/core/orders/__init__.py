"""What is known of a shop's orders (SPEC 6): unpaid timers and reminders, the owner, turnover, conversion.

A second fold beside the conversation, over the same standing events of one customer, and in the same manner: time
comes in as an argument, dues are worked off each at itself, the state is a plain record. Most customers never
order, so a customer has no book until the first event of an order; it is then told from what is kept.
"""
