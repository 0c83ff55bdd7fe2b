"""The frame of our Litestar applications.

`application` builds one: routes of the service plus health, metrics and documentation, problem
documents for every failure, and around it all `edge`, the one ASGI middleware that adds ids,
security headers and request metrics. `problems` declares failures, `failures` turns exceptions
into them, `bodies` is the base of request and response models, `operations` and `documentation`
hold the routes every service has.
"""
