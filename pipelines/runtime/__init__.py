"""What every pipeline runs on: Quix Streams, exactly-once, around a pure `Processor`.

The application, the partition stores, the offset guard, the ticker and the producer of replies.
Quix's internals are used here and nowhere else.
"""
