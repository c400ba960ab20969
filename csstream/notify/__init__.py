"""The notifier: alerts, to people (SPEC 8, "Sending").

What is sent, when, to whom and in which order is decided in `outbox`, which is pure: records, time and answers in,
messages and rows out. Around it is little: `follow` reads `cs.alerts`, `notifier` keeps the outbox's rows in a ledger
and hands its messages to sinks, and each sink in `sinks/` knows how one service wants to be spoken to, and when it
has really said yes. So nothing about being late, doubled or lost depends on a network being there to try it.
"""
