"""Who asks: the REST gateway over the accounts pipeline.

A request becomes a command on `accounts.commands` (`request_reply` sends it and finds its reply)
and the reply becomes an answer: `refusals` for what was not granted, `figures` for limits and
quotas in bodies and headers. `consume`, `reservations` and `quota` are the routes' thinking,
`spending` checks what they have in common, `authentication` says who the caller is.
"""
