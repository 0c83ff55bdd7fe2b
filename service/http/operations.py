"""Routes every service has for those who run it: health and metrics."""

from collections.abc import Mapping

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from service.health import (
    LIVE_BODY,
    LIVE_PATHS,
    METRICS_PATHS,
    READY_PATHS,
    AsyncCheck,
    readiness_answer,
    run_async_checks,
)
from service.metrics import CONTENT_TYPE, Metrics


def operation_routes(
    metrics: Metrics, checks: Mapping[str, AsyncCheck]
) -> tuple[HTTPRouteHandler, ...]:
    """Liveness, readiness (all checks must pass) and metrics, with their aliases."""

    @get(list(LIVE_PATHS), include_in_schema=False, opt={"public": True})
    async def live() -> Response[bytes]:
        return Response(LIVE_BODY, media_type="application/json")

    @get(list(READY_PATHS), include_in_schema=False, opt={"public": True})
    async def ready() -> Response[bytes]:
        status, body = readiness_answer(await run_async_checks(checks))
        return Response(body, status_code=status, media_type="application/json")

    @get(list(METRICS_PATHS), include_in_schema=False, opt={"public": True})
    async def scrape() -> Response[bytes]:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return live, ready, scrape
