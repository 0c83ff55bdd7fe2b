"""`make bench`: throughput, latency and memory, each beside a floor measured in the same run.

The cases: `echo` (a bare consume-produce loop), `pipeline` (the accounts pipeline, driven by Kafka
commands), `http` (a route that answers at once), `gateway` (decide-only consume over HTTP) and
`gateway-echo` (the same, with the echo in the pipeline's place).
"""
