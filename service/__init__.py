"""What every process has: settings, logs, metrics, health, HTTP plumbing, the way to start.

Nothing here knows about tokens, accounts or topics, and nothing here imports another of our
packages. `settings` reads and documents the environment, `logging` writes JSON lines without
secrets, `metric_names` lists every metric of the system and `metrics` makes them, `health` says
what a readiness check is, `metrics_server` serves both for processes without HTTP routes of
their own, `http` is the frame of our Litestar applications and `run` starts one on granian.
"""
