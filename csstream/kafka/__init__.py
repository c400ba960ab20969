"""The Kafka driver: the topics that must exist."""
