"""A small service built on the frame, run as a process of its own: `python -m … PORT WORKERS`."""

import asyncio
import os
import sys
from datetime import datetime

from litestar import get, post

from service.http.application import Parts, ServiceDescription, build_application
from service.http.bodies import WireModel
from service.http.edge import Edge
from service.http.problems import ProblemError, ProblemType
from service.logging import get_logger
from service.metrics import Metrics
from service.run import Listener, run_service

logger = get_logger(__name__)

TEAPOT = ProblemType("teapot", 418, "I am a teapot", "Brew tea.")


class Greeting(WireModel):
    """What the echo route takes and gives back."""

    first_name: str
    sent_at: datetime | None = None


@get("/slow/{milliseconds:int}")
async def slow(milliseconds: int) -> dict[str, int]:
    """Answer after that time."""
    logger.info("a slow request began")
    await asyncio.sleep(milliseconds / 1000)
    return {"pid": os.getpid()}


@post("/echo", status_code=200)
async def echo(data: Greeting) -> Greeting:
    """Give back what came."""
    return data


@get("/teapot")
async def teapot() -> None:
    """Fail on purpose."""
    raise ProblemError(TEAPOT, "short and stout", headers={"X-Handle": "1"}, members={"spout": 1})


@get("/broken")
async def broken() -> None:
    """Fail by mistake."""
    raise RuntimeError("the password=hunter2 leaked")


async def database_answers() -> str | None:
    """A dependency that the environment can switch off."""
    return "connection refused" if os.environ.get("DEMONSTRATION_DOWN") else None


def create_application() -> Edge:
    """The application, as each worker makes it."""
    return build_application(
        Parts(
            description=ServiceDescription("Demonstration", "1.0", "Shows the frame."),
            metrics=Metrics("demonstration"),
            routes=[slow, echo, teapot, broken],
            checks={"database": database_answers},
        )
    )


if __name__ == "__main__":
    run_service(
        create_application,
        Listener("demonstration", port=int(sys.argv[1]), workers=int(sys.argv[2])),
    )
