"""Commands out, replies in: request-reply over Kafka.

`client` is what the gateway talks to, on the event loop; `publisher` owns the producers and
`inbox` the thread that consumes this worker's partition of the reply topic.
"""
