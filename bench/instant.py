"""`python -m bench.instant PORT`: the floor of HTTP: a Litestar route with nothing behind."""

import sys
from functools import partial

from litestar import Litestar, MediaType, get, post

from service.run import Listener, run_service

_BODY = b'{"allowed":true}'


@get("/health/ready", media_type=MediaType.JSON)
async def ready() -> bytes:
    """Always."""
    return b'{"status":"UP"}'


@post("/instant", media_type=MediaType.JSON, status_code=200)
async def instant() -> bytes:
    """Answer at once."""
    return _BODY


if __name__ == "__main__":
    run_service(
        partial(Litestar, [ready, instant], openapi_config=None),
        Listener(service="instant", port=int(sys.argv[1])),
    )
