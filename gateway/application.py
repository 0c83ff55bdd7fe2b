"""Puts the gateway together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import httpx2
from litestar import Litestar

from gateway.alias import also_served
from gateway.authentication import TokenVerifier, require_user
from gateway.consume import Consumption
from gateway.jwks import KeySet
from gateway.outcome_counts import OutcomeCounts
from gateway.request_reply.client import AccountsClient
from gateway.routes import token_routes
from gateway.settings import GatewaySettings
from providers.catalogue import PROVIDER_NAMES, open_providers
from providers.completion import ProviderAdapter
from service.http.application import Parts, ServiceDescription, build_application
from service.http.edge import Edge
from service.metrics import Metrics

SERVICE_NAME = "gateway"


def create_application(settings: GatewaySettings) -> Edge:
    """The ASGI application of one worker; its lifespan opens Kafka and the auth server's keys."""
    metrics = Metrics(SERVICE_NAME)
    accounts = AccountsClient(settings, metrics)
    http = httpx2.AsyncClient()
    keys = KeySet(
        http, settings.auth_url, settings.jwks_max_age_s, settings.jwks_refetch_interval_s
    )
    verifier = TokenVerifier(
        keys, settings.jwt_issuer, settings.jwt_audience, settings.token_cache_size
    )
    providers: dict[str, ProviderAdapter] = {}  # opened by the lifespan, on the loop that calls
    consumption = Consumption(accounts, providers)
    released = version("leaky-tokens")

    async def accounts_reachable() -> str | None:
        return accounts.trouble()

    @asynccontextmanager
    async def resources(_: Litestar) -> AsyncIterator[None]:
        accounts.start()
        async with http, open_providers(settings, metrics) as opened:
            providers.update(opened)
            async with also_served(edge, settings.bind_host, settings.gateway_alias_port):
                yield
            await consumption.drain(settings.gateway_stop_timeout_s)
        await accounts.close(settings.gateway_stop_timeout_s)

    edge = build_application(
        Parts(
            description=ServiceDescription(
                title="Leaky Tokens gateway",
                version=released,
                description="Admits and meters AI tokens: consume, quotas, reservations.",
            ),
            metrics=metrics,
            routes=token_routes(
                accounts,
                consumption,
                OutcomeCounts(metrics, PROVIDER_NAMES),
                require_user(verifier),
                released,
            ),
            checks={"accounts": accounts_reachable, "auth": keys.check},
            lifespan=[resources],
        )
    )
    return edge
