"""AI providers: the adapters that call them, what keeps a call in bounds, and stubs of them.

`completion` says what a call asks and answers and how it fails, `adapters` has one module for each
provider's own HTTP interface, `resilience` puts deadline, bulkhead, retries and circuit breaker
around an adapter, `catalogue` makes all of them from the settings. `stubs` are small servers that
speak the providers' interfaces: `python -m providers --name openai`.
"""
