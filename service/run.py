"""Starts an ASGI application on granian and stops it without dropping an accepted request.

One worker runs inside the calling process: one process to supervise, to measure and to kill.
Several workers are processes of their own that share the port; their metrics are summed through
a temporary folder.
"""

import asyncio
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from granian import Granian
from granian.constants import Interfaces
from granian.server.embed import Server as EmbeddedServer

from service.logging import GRANIAN_LOGGING, configure_logging, get_logger
from service.metrics import MULTIPROCESS_FOLDER_VARIABLE
from service.settings import HttpServiceSettings

Application = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application, lifespan included."""

ApplicationFactory = Callable[[], Application]
"""Makes the ASGI application. With several workers it is called in each of them, so it must be
picklable: a module-level function, or a functools.partial of one with the settings."""

_PARENT_POLL_S = 0.5
MAX_CONNECTIONS = 1024
"""Connections a worker serves at once. Granian's default, 128, lets the 129th client of those that
keep their connections wait until another one leaves."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Where and how a service listens."""

    service: str
    port: int
    host: str = "127.0.0.1"
    workers: int = 1
    access_log: bool = False
    log_level: str = "info"

    @classmethod
    def of(
        cls, settings: HttpServiceSettings, service: str, port: int, workers: int = 1
    ) -> "Listener":
        """The listener that the settings of an HTTP service describe."""
        return cls(
            service=service,
            port=port,
            host=settings.bind_host,
            workers=workers,
            access_log=settings.access_log,
            log_level=settings.log_level,
        )


def run_service(create_application: ApplicationFactory, listener: Listener) -> NoReturn:
    """Serve until SIGTERM or SIGINT, finish what was accepted, and end the process.

    Never returns: the exit code is 0, or 1 when the application does not start or a worker dies.
    What a service has to close, it closes in its lifespan.
    """
    configure_logging(listener.service, listener.log_level)
    if listener.workers == 1:
        code = asyncio.run(_serve_embedded(create_application, listener))
    else:
        code = _serve_workers(create_application, listener)
    _end_process(code)


def _end_process(code: int) -> NoReturn:
    """End without taking the interpreter down.

    Granian's threads outlive its server by a moment, and one that lets go of a Python object while
    the interpreter finalises aborts the process.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _granian_options(listener: Listener) -> dict[str, Any]:
    return {
        "address": listener.host,
        "port": listener.port,
        "interface": Interfaces.ASGI,
        "websockets": False,
        "backlog": MAX_CONNECTIONS,
        "backpressure": MAX_CONNECTIONS,
        "log_access": listener.access_log,
        "log_dictconfig": GRANIAN_LOGGING,
    }


async def _serve_embedded(create_application: ApplicationFactory, listener: Listener) -> int:
    server = EmbeddedServer(create_application(), **_granian_options(listener))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    try:
        await server.serve()
    except Exception:  # noqa: BLE001 - whatever it was, it is logged and ends the process
        get_logger(__name__).exception("the application did not start or stop properly")
        return 1
    return 1 if server.interrupt_children else 0


def _serve_workers(create_application: ApplicationFactory, listener: Listener) -> int:
    # Workers start from a fresh interpreter: threads of a Kafka client do not survive a fork,
    # and the metrics library chooses its shared files while it is imported.
    multiprocessing.set_start_method("spawn", force=True)
    with tempfile.TemporaryDirectory(prefix=f"{listener.service}-metrics-") as folder:
        os.environ[MULTIPROCESS_FOLDER_VARIABLE] = folder
        server = Granian(listener.service, workers=listener.workers, **_granian_options(listener))
        server.serve(
            target_loader=partial(_load_in_worker, create_application, listener, os.getpid()),
            wrap_loader=False,
        )
    return 0


def _load_in_worker(
    create_application: ApplicationFactory, listener: Listener, parent_pid: int
) -> Application:
    configure_logging(listener.service, listener.log_level)
    threading.Thread(
        target=_stop_with_parent, args=(parent_pid,), name="parent-watch", daemon=True
    ).start()
    return create_application()


def _stop_with_parent(parent_pid: int) -> None:
    """A worker whose parent was killed would hold the port against the next start."""
    while os.getppid() == parent_pid:
        time.sleep(_PARENT_POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
