"""The same application on a second port, for clients that know another base address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

from service.logging import GRANIAN_LOGGING
from service.run import MAX_CONNECTIONS, Application


@asynccontextmanager
async def also_served(application: Application, host: str, port: int) -> AsyncIterator[None]:
    """Serve `application`, which is open already, on a further port; 0 serves nowhere else.

    Every worker listens for itself: the kernel spreads connections over them, as it does for the
    main port. Raises when the port is taken.
    """
    if port == 0:
        yield
        return
    # Without lifespan: the application is opened and closed once, by its main server.
    server = Server(
        application,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        websockets=False,
        backlog=MAX_CONNECTIONS,
        backpressure=MAX_CONNECTIONS,
        log_dictconfig=GRANIAN_LOGGING,
    )
    serving: asyncio.Task[Any] = asyncio.get_running_loop().create_task(server.serve())
    await asyncio.sleep(0)  # the port is bound in the first step
    if serving.done():
        serving.result()
    try:
        yield
    finally:
        server.stop()  # type: ignore[no-untyped-call]  # granian types part of itself
        await serving
