"""Who decides: a folder a pipeline, each with pure rules in `decide.py` and wiring beside them.

`runtime/` is what they all run on: exactly-once processing, partition stores, ticks, replies.
"""
