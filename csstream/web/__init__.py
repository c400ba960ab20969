"""What every program of ours that listens shares: the application and its guards, tokens, and how events come in.

A driver decides what is behind it: `serve` a store of its own, `gateway` the topics of Kafka.
"""
