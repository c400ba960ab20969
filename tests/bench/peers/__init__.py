"""The same simple work in other stream processors, each as its own documentation writes it.

One open wait a customer, kept by customer; a fact for every answer. None of them knows receptions, consults, alerts,
corrections or figures: csstream is measured beside them with all of these. Each is a program that reads
`BROKER TOPIC PARTITIONS RECORDS` and prints one JSON line (`work.Timer`).
"""
