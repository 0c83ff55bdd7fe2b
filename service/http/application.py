"""Builds the ASGI application of a service around its routes."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from litestar import Litestar
from litestar.contrib.pydantic import PydanticPlugin
from litestar.types import ControllerRouterHandler, Middleware

from service.health import AsyncCheck
from service.http.documentation import openapi_config
from service.http.edge import Edge
from service.http.failures import EXCEPTION_HANDLERS
from service.http.operations import operation_routes
from service.metrics import Metrics

MAX_BODY_BYTES = 1024 * 1024

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class ServiceDescription:
    """What the documentation says about a service."""

    title: str
    version: str
    description: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service brings: routes, checks of its dependencies, what to open and close.

    `checks` is read at each readiness request, so entries may be added after the start;
    `dependencies` are Litestar's, by parameter name.
    """

    description: ServiceDescription
    metrics: Metrics
    routes: Sequence[ControllerRouterHandler]
    checks: Mapping[str, AsyncCheck] = field(default_factory=dict)
    lifespan: Sequence[Lifespan] = ()
    dependencies: Mapping[str, Any] = field(default_factory=dict)
    middleware: Sequence[Middleware] = ()


def build_application(parts: Parts) -> Edge:
    """The application to hand to `service.run.run_service`."""
    about = parts.description
    litestar = Litestar(
        route_handlers=[*parts.routes, *operation_routes(parts.metrics, parts.checks)],
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=openapi_config(about.title, about.version, about.description),
        plugins=[PydanticPlugin(prefer_alias=True)],
        lifespan=list(parts.lifespan),
        dependencies=dict(parts.dependencies),
        middleware=list(parts.middleware),
        logging_config=None,
    )
    return Edge(litestar, parts.metrics)
