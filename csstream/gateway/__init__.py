"""The gateway: events that platforms push over HTTP, into the topics. Any number of copies; no state of its own."""
