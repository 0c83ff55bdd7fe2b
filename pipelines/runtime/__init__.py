"""What every pipeline runs on: one record after the other, exactly once, on Quix Streams.

`processor` is the contract with a pipeline; `position` applies one record, live and in a replay
alike; `run` starts the process; everything else here is its machinery, and the only place that
knows Quix Streams.
"""
